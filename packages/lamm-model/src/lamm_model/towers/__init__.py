"""Towers: EfficientNet-Lite and a reader for images; PointNet++, Point Transformer V3 and Point-BERT for clouds.

Whoever imports one may build it by transformers' Auto classes, as any other tower.
"""

from transformers import AutoConfig, AutoModel

from lamm_model.towers.configuration_efficientnet_lite import EfficientNetLiteConfig
from lamm_model.towers.configuration_image_reader import ImageReaderConfig
from lamm_model.towers.configuration_objects import ObjectTowerConfig
from lamm_model.towers.configuration_point_bert import PointBertConfig
from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig
from lamm_model.towers.configuration_point_transformer import PointTransformerV3Config
from lamm_model.towers.efficientnet_lite import EfficientNetLiteModel
from lamm_model.towers.image_reader import ImageReaderModel
from lamm_model.towers.objects import ObjectTower
from lamm_model.towers.point_bert import PointBertModel
from lamm_model.towers.point_cloud import LammPointCloudModel
from lamm_model.towers.point_transformer import PointTransformerV3Model

for _config, _model in (
    (EfficientNetLiteConfig, EfficientNetLiteModel),
    (ImageReaderConfig, ImageReaderModel),
    (LammPointCloudConfig, LammPointCloudModel),
    (ObjectTowerConfig, ObjectTower),
    (PointBertConfig, PointBertModel),
    (PointTransformerV3Config, PointTransformerV3Model),
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModel.register(_config, _model, exist_ok=True)
