"""Small configurations of keras-hub's task models: heads of each kind on a backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub_image_models import cspnet, mit, pyramid_resnet, resnet, vit
from hub_multimodal_models import with_inputs
from hub_text_models import GROUPED, SHORT, TEXT, text_models


def task_models(hub: Any) -> dict[str, Callable[[], Any]]:
    text = text_models(hub)
    classes = {"num_classes": 3}
    return {
        "BERT, TextClassifier": lambda: hub.BertTextClassifier(text["BERT"](), **classes),
        "BERT, MaskedLM": lambda: masked(hub.BertMaskedLM(text["BERT"]())),
        "ALBERT, TextClassifier": lambda: hub.AlbertTextClassifier(text["ALBERT"](), **classes),
        "DeBERTaV3, TextClassifier": lambda: hub.DebertaV3TextClassifier(
            text["DeBERTaV3"](), **classes, hidden_dim=6
        ),
        "DistilBERT, TextClassifier": lambda: hub.DistilBertTextClassifier(text["DistilBERT"](), **classes),
        "FNet, TextClassifier": lambda: hub.FNetTextClassifier(text["FNet"](), **classes),
        "RoBERTa, TextClassifier": lambda: hub.RobertaTextClassifier(
            text["RoBERTa"](), **classes, hidden_dim=6
        ),
        "RoFormerV2, TextClassifier": lambda: hub.RoformerV2TextClassifier(text["RoFormerV2"](), **classes),
        "ESM, ProteinClassifier": lambda: hub.ESMProteinClassifier(text["ESM"](), **classes),
        "XLM-RoBERTa, MaskedLM": lambda: masked(hub.XLMRobertaMaskedLM(text["XLM-RoBERTa"]())),
        "BART, Seq2SeqLM": lambda: hub.BartSeq2SeqLM(text["BART"]()),
        "T5, Seq2SeqLM": lambda: hub.T5Seq2SeqLM(text["T5"]()),
        "T5Gemma, Seq2SeqLM": lambda: hub.T5GemmaSeq2SeqLM(text["T5Gemma"]()),
        "GPT-2, CausalLM": lambda: hub.GPT2CausalLM(hub.GPT2Backbone(**TEXT, **SHORT)),
        "BLOOM, CausalLM": lambda: hub.BloomCausalLM(text["BLOOM"]()),
        "Falcon, CausalLM": lambda: hub.FalconCausalLM(text["Falcon"]()),
        "Gemma 2, CausalLM": lambda: hub.GemmaCausalLM(backbone=text["Gemma 2"](), preprocessor=None),
        "Llama 3, CausalLM": lambda: hub.Llama3CausalLM(hub.Llama3Backbone(**GROUPED)),
        "Mixtral, CausalLM": lambda: hub.MixtralCausalLM(text["Mixtral"]()),
        "Phi-3, CausalLM": lambda: hub.Phi3CausalLM(text["Phi-3"]()),
        "Qwen 3, CausalLM": lambda: hub.Qwen3CausalLM(text["Qwen 3"]()),
        "CSPNet, ImageClassifier": lambda: hub.CSPNetImageClassifier(
            cspnet(hub, "dark_block", "dark"), **classes
        ),
        "ResNet, ImageClassifier": lambda: hub.ResNetImageClassifier(resnet(hub), **classes),
        "ViT, ImageClassifier": lambda: hub.ViTImageClassifier(vit(hub), **classes),
        "MiT, ImageClassifier": lambda: hub.MiTImageClassifier(mit(hub), **classes),
        "DeepLabV3, ImageSegmenter": lambda: hub.DeepLabV3ImageSegmenter(deeplab(hub), **classes),
        "RetinaNet, ObjectDetector": lambda: retinanet(hub),
    }


def masked(model: Any) -> Any:
    """At fixed sizes: as many mask positions as tokens will do."""
    return with_inputs(model, **{t.name: (7,) for t in _inputs(model)})


def _inputs(model: Any) -> list[Any]:
    import keras

    return list(keras.tree.flatten(model.input))


def deeplab(hub: Any) -> Any:
    return hub.DeepLabV3Backbone(
        image_encoder=pyramid_resnet(hub),
        projection_filters=4,
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P5",
        upsampling_size=8,
        dilation_rates=[2, 4],
        image_shape=(32, 32, 3),
    )


def retinanet(hub: Any) -> Any:
    from keras_hub import layers
    from keras_hub.src.models.retinanet.retinanet_label_encoder import RetinaNetLabelEncoder

    backbone = hub.RetinaNetBackbone(
        pyramid_resnet(hub), min_level=3, max_level=4, use_p5=False, image_shape=(32, 32, 3)
    )
    anchors = layers.AnchorGenerator(
        "xyxy", min_level=3, max_level=4, num_scales=1, aspect_ratios=[1.0], anchor_size=4
    )
    return hub.RetinaNetObjectDetector(
        backbone,
        label_encoder=RetinaNetLabelEncoder("xyxy", anchors),
        num_classes=3,
        use_prediction_head_norm=True,
        prediction_head_num_convs=1,
    )
