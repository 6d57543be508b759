"""The reader of point clouds, by the address that scripts outside this repository import it from."""

from lamm_model.processing.point_cloud_processing import read_point_cloud

__all__ = ["read_point_cloud"]
