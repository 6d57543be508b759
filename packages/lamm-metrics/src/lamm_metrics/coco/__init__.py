"""COCO's own protocol for boxes, masks and keypoints."""
