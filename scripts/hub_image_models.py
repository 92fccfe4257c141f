"""Small configurations of keras-hub's vision models, by a short name; `tabulate_models.py` converts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

IMAGE = {"image_shape": (32, 32, 3)}
TRANSFORMER = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}


def resnet(hub: Any, block: str = "basic_block", **more: Any) -> Any:
    settings = {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [3],
        "stackwise_num_filters": [64, 6],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_strides": [1, 2],
        **IMAGE,
        **more,
    }
    return hub.ResNetBackbone(block_type=block, **settings)


def pyramid_resnet(hub: Any, stages: int = 4) -> Any:
    """Four stages, for the models that read a pyramid of features."""
    return resnet(
        hub,
        input_conv_filters=[64],
        stackwise_num_filters=[64, *[6] * (stages - 1)],
        stackwise_num_blocks=[1] * stages,
        stackwise_num_strides=[1, *[2] * (stages - 1)],
    )


def mit(hub: Any, layers: int = 2, size: int = 32) -> Any:
    return hub.MiTBackbone(
        layerwise_depths=[1] * layers,
        num_layers=layers,
        layerwise_num_heads=[1, 2, 2, 2][:layers],
        layerwise_sr_ratios=[2, 1, 1, 1][:layers],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3][:layers],
        layerwise_strides=[4, 2, 2, 2][:layers],
        hidden_dims=[4, 8, 10, 12][:layers],
        image_shape=(size, size, 3),
    )


def cspnet(hub: Any, block: str, stage: str, **more: Any) -> Any:
    return hub.CSPNetBackbone(
        stem_filters=4,
        stem_kernel_size=3,
        stem_strides=1,
        stackwise_num_filters=[4, 8],
        stackwise_strides=[1, 2],
        stackwise_depth=[1, 1],
        block_type=block,
        stage_type=stage,
        bottle_ratio=[0.5],
        **more,
        **IMAGE,
    )


def efficientnet(hub: Any, kinds: list[str], **more: Any) -> Any:
    settings = {
        "stackwise_width_coefficients": [1.0, 1.0],
        "stackwise_depth_coefficients": [1.0, 1.0],
        "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
        "activation": "swish",
        **more,
    }
    return hub.EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 1],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 8],
        stackwise_expansion_ratios=[1, 2],
        stackwise_strides=[1, 2],
        stackwise_block_types=kinds,
        stackwise_force_input_filters=[0, 0],
        stackwise_nores_option=[False, False],
        depth_divisor=4,
        min_depth=4,
        stem_conv_padding="same",
        num_features=8,
        input_shape=(32, 32, 3),
        **settings,
    )


def convolutional(hub: Any) -> dict[str, Callable[[], Any]]:
    return {
        "CSPNet, cross-stage": lambda: cspnet(hub, "bottleneck_block", "csp", expand_ratio=[2.0]),
        "CSPNet": lambda: cspnet(hub, "dark_block", "dark"),
        "CSPNet, edge": lambda: cspnet(hub, "edge_block", "cs3", expand_ratio=[2.0]),
        "DenseNet": lambda: hub.DenseNetBackbone(
            stackwise_num_repeats=[2, 2], compression_ratio=0.5, growth_rate=4, **IMAGE
        ),
        "EfficientNet": lambda: efficientnet(hub, ["v1", "v1"]),
        "EfficientNet, fused and edge": lambda: efficientnet(hub, ["fused", "unfused"]),
        "EfficientNet, lite": lambda: efficientnet(
            hub, ["v1", "cba"], stackwise_squeeze_and_excite_ratios=[0, 0], activation="relu6"
        ),
        "HGNetV2": lambda: hub.HGNetV2Backbone(
            depths=[1, 2],
            embedding_size=4,
            hidden_sizes=[6, 8],
            stem_channels=[3, 4, 4],
            hidden_act="relu",
            use_learnable_affine_block=True,
            stackwise_stage_filters=[(4, 4, 6, 1, 1, 3), (6, 4, 8, 2, 1, 3)],
            apply_downsample=[False, True],
            use_lightweight_conv_block=[False, True],
            **IMAGE,
        ),
        "MobileNet (hub)": lambda: hub.MobileNetBackbone(
            stackwise_expansion=[[4], [8]],
            stackwise_num_blocks=[1, 1],
            stackwise_num_filters=[[4], [8]],
            stackwise_kernel_size=[[3], [3]],
            stackwise_num_strides=[[1], [2]],
            stackwise_se_ratio=[[None], [0.25]],
            stackwise_activation=[["relu"], ["hard_swish"]],
            stackwise_padding=[[1], [1]],
            output_num_filters=8,
            input_num_filters=4,
            input_activation="hard_swish",
            depthwise_filters=4,
            squeeze_and_excite=0.5,
            last_layer_filter=8,
            depthwise_stride=1,
            depthwise_residual=False,
            **IMAGE,
        ),
        "MobileNetV5": lambda: mobilenet_v5(hub),
        "ResNet": lambda: resnet(hub),
        "ResNet V2": lambda: resnet(hub, "bottleneck_block", use_pre_activation=True),
        "ResNet-vd": lambda: resnet(
            hub, "bottleneck_block_vd", input_conv_filters=[8, 8, 64], input_conv_kernel_sizes=[3, 3, 3]
        ),
        "ResNet-vd, basic": lambda: resnet(
            hub, "basic_block_vd", input_conv_filters=[8, 8, 64], input_conv_kernel_sizes=[3, 3, 3]
        ),
        "ResNeXt-like bottleneck": lambda: resnet(hub, "bottleneck_block"),
        "VGG (hub)": lambda: hub.VGGBackbone(
            stackwise_num_repeats=[1, 2], stackwise_num_filters=[4, 8], **IMAGE
        ),
        "Xception (hub)": lambda: hub.XceptionBackbone(
            stackwise_conv_filters=[[4, 6], [6, 8], [8, 8]], stackwise_pooling=[True, True, False], **IMAGE
        ),
        "Feature pyramid (RetinaNet)": lambda: hub.RetinaNetBackbone(
            pyramid_resnet(hub), min_level=3, max_level=5, use_p5=False, **IMAGE
        ),
        "DeepLabV3": lambda: hub.DeepLabV3Backbone(
            image_encoder=pyramid_resnet(hub),
            projection_filters=4,
            low_level_feature_key="P2",
            spatial_pyramid_pooling_key="P5",
            upsampling_size=8,
            dilation_rates=[2, 4],
            **IMAGE,
        ),
        "VAE (Stable Diffusion 3)": lambda: vae(),
    }


def vae() -> Any:
    from keras_hub.src.models.vae.vae_backbone import VAEBackbone

    return VAEBackbone(
        encoder_num_filters=[32, 32],
        encoder_num_blocks=[1, 1],
        decoder_num_filters=[32, 32],
        decoder_num_blocks=[1, 1],
        sample_channels=4,
        sampler_method="mode",
    )


def mobilenet_v5(hub: Any) -> Any:
    return hub.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "mqa"]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[4], [8, 8]],
        stackwise_strides=[[2], [2, 1]],
        stackwise_act_layers=[["relu"], ["relu", "relu"]],
        stackwise_exp_ratios=[[2.0], [2.0, 1.0]],
        stackwise_se_ratios=[[0.0], [0.0, 0.0]],
        stackwise_dw_kernel_sizes=[[0], [5, 3]],
        stackwise_dw_start_kernel_sizes=[[0], [3, 0]],
        stackwise_dw_end_kernel_sizes=[[0], [0, 0]],
        stackwise_exp_kernel_sizes=[[3], [0, 0]],
        stackwise_pw_kernel_sizes=[[1], [0, 0]],
        stackwise_num_heads=[[0], [0, 2]],
        stackwise_key_dims=[[0], [0, 3]],
        stackwise_value_dims=[[0], [0, 3]],
        stackwise_kv_strides=[[0], [0, 1]],
        stackwise_use_cpe=[[False], [False, False]],
        stem_size=4,
        num_features=8,
        use_msfa=False,
        **IMAGE,
    )


def transformers(hub: Any) -> dict[str, Callable[[], Any]]:
    patches = {"patch_size": 4, "image_shape": (16, 16, 3)}
    return {
        "ViT": lambda: vit(hub),
        "ViT, pooled": lambda: vit(hub, use_class_token=False, use_mha_bias=False, use_mlp_bias=False),
        "DeiT": lambda: hub.DeiTBackbone(**TRANSFORMER, image_shape=(16, 16, 3), patch_size=4),
        "DINOv2": lambda: hub.DINOV2Backbone(
            **TRANSFORMER, **patches, num_register_tokens=2, position_embedding_shape=(16, 16)
        ),
        "DINOv2, other size, SwiGLU": lambda: hub.DINOV2Backbone(
            **TRANSFORMER, **patches, use_swiglu_ffn=True, position_embedding_shape=(24, 24)
        ),
        "DINOv3": lambda: hub.DINOV3Backbone(**TRANSFORMER, **patches, num_register_tokens=2),
        "MiT (SegFormer)": lambda: mit(hub),
        "SegFormer": lambda: hub.SegFormerBackbone(mit(hub, 4, 64), projection_filters=6),
        "Swin": lambda: hub.SwinTransformerBackbone(
            image_shape=(16, 16, 3), embed_dim=4, depths=(2, 2), num_heads=(1, 2), window_size=2, patch_size=2
        ),
        "ViTDet": lambda: vit_det(hub),
        "PARSeq": lambda: hub.PARSeqBackbone(
            image_encoder=vit(hub, use_class_token=False),
            vocabulary_size=9,
            max_label_length=5,
            decoder_hidden_dim=8,
            num_decoder_layers=1,
            num_decoder_heads=2,
            decoder_mlp_dim=12,
        ),
        "Depth Anything": lambda: hub.DepthAnythingBackbone(
            image_encoder=hub.DINOV2Backbone(
                **{**TRANSFORMER, "num_layers": 4}, patch_size=4, image_shape=(32, 32, 3),
                position_embedding_shape=(32, 32), apply_layernorm=True,
            ),
            reassemble_factors=[4, 2, 1, 0.5],
            neck_hidden_dims=[4, 4, 6, 6],
            fusion_hidden_dim=6,
            head_hidden_dim=4,
            head_in_index=-1,
            feature_keys=["stage1", "stage2", "stage3", "stage4"],
        ),
        "SAM": lambda: sam(hub),
        "SAM 3": lambda: sam3(hub),
        "VideoPrism": lambda: hub.VideoPrismBackbone(
            num_frames=3, patch_size=4, hidden_dim=8, intermediate_dim=12, num_heads=2, num_spatial_layers=1,
            num_temporal_layers=1, num_auxiliary_layers=0, image_shape=(8, 8, 3),
        ),
        "VideoPrism, text": lambda: hub.VideoPrismBackbone(
            num_frames=3, patch_size=4, hidden_dim=8, intermediate_dim=12, num_heads=2, num_spatial_layers=1,
            num_temporal_layers=1, num_auxiliary_layers=1, vocabulary_size=20, num_text_layers=1,
            image_shape=(8, 8, 3), attention_logit_soft_cap=50.0,
        ),
        "D-FINE": lambda: d_fine(hub),
    }  # fmt: skip


def vit(hub: Any, **more: Any) -> Any:
    return hub.ViTBackbone(
        image_shape=(16, 16, 3), patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=12, **more
    )


def vit_det(hub: Any) -> Any:
    return hub.ViTDetBackbone(
        hidden_size=8, num_layers=2, intermediate_dim=12, num_heads=2, global_attention_layer_indices=[1],
        patch_size=4, num_output_channels=8, window_size=2, image_shape=(16, 16, 3),
    )  # fmt: skip


def sam(hub: Any) -> Any:
    from keras_hub import layers

    return hub.SAMBackbone(
        image_encoder=vit_det(hub),
        prompt_encoder=layers.SAMPromptEncoder(
            hidden_size=8, image_embedding_size=(4, 4), input_image_size=(16, 16), mask_in_channels=4
        ),
        mask_decoder=layers.SAMMaskDecoder(
            num_layers=2,
            hidden_size=8,
            intermediate_dim=12,
            num_heads=2,
            embedding_dim=8,
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=6,
        ),
    )


def sam3(hub: Any) -> Any:
    from keras_hub import layers

    small = {"num_layers": 2, "hidden_dim": 8, "intermediate_dim": 12, "num_heads": 2}
    return hub.SAM3PromptableConceptBackbone(
        vision_encoder=layers.SAM3VisionEncoder(
            image_shape=(32, 32, 3), patch_size=4, **small, fpn_hidden_dim=8, window_size=2,
            fpn_scale_factors=[4.0, 2.0, 1.0, 0.5], pretrain_image_shape=(16, 16, 3), global_attn_indexes=[1],
        ),
        text_encoder=layers.SAM3TextEncoder(vocabulary_size=20, embedding_dim=8, **small),
        geometry_encoder=layers.SAM3GeometryEncoder(**small, roi_size=3),
        detr_encoder=layers.SAM3DetrEncoder(**small),
        detr_decoder=layers.SAM3DetrDecoder(image_shape=(32, 32, 3), patch_size=4, **small, num_queries=3),
        mask_decoder=layers.SAM3MaskDecoder(num_upsampling_stages=3, hidden_dim=8, num_heads=2),
    )  # fmt: skip


def d_fine(hub: Any) -> Any:
    backbone = hub.HGNetV2Backbone(
        depths=[1, 1],
        embedding_size=4,
        hidden_sizes=[6, 8],
        stem_channels=[3, 4, 4],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[(4, 4, 6, 1, 1, 3), (6, 4, 8, 1, 1, 3)],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, False],
        out_features=["stage1", "stage2"],
        **IMAGE,
    )
    return hub.DFineBackbone(
        backbone=backbone, decoder_in_channels=[8, 8], encoder_hidden_dim=8, num_labels=3, num_denoising=0,
        learn_initial_query=False, num_queries=4, anchor_image_size=(32, 32), feat_strides=[4, 8],
        num_feature_levels=2, hidden_dim=8, encoder_in_channels=[6, 8], encode_proj_layers=[1],
        num_attention_heads=2, encoder_ffn_dim=12, num_encoder_layers=1, hidden_expansion=0.5,
        depth_multiplier=0.5, eval_idx=-1, num_decoder_layers=1, decoder_attention_heads=2,
        decoder_ffn_dim=12, decoder_n_points=[2, 2], lqe_hidden_dim=6, num_lqe_layers=2,
        out_features=["stage1", "stage2"], **IMAGE,
    )  # fmt: skip


def image_models(hub: Any) -> dict[str, Callable[[], Any]]:
    return convolutional(hub) | transformers(hub)
