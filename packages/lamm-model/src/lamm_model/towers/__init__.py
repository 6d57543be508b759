"""Towers: EfficientNet-Lite for images, PointNet++ with a transformer for clouds.

Whoever imports one may build it by transformers' Auto classes, as any other tower.
"""

from transformers import AutoConfig, AutoModel

from lamm_model.towers.configuration_efficientnet_lite import EfficientNetLiteConfig
from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig
from lamm_model.towers.efficientnet_lite import EfficientNetLiteModel
from lamm_model.towers.point_cloud import LammPointCloudModel

for _config, _model in ((EfficientNetLiteConfig, EfficientNetLiteModel), (LammPointCloudConfig, LammPointCloudModel)):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModel.register(_config, _model, exist_ok=True)
