"""Small configurations of keras-hub's audio, multimodal and diffusion models, for `tabulate_models.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub_image_models import TRANSFORMER, vae


def multimodal_models(hub: Any) -> dict[str, Callable[[], Any]]:
    patches = {"patch_size": 4, "image_shape": (16, 16, 3)}
    text = {**TRANSFORMER, "vocabulary_size": 20, "embedding_dim": 8, "max_sequence_length": 6}
    gemma = {
        "vocabulary_size": 20,
        "num_layers": 2,
        "num_query_heads": 4,
        "num_key_value_heads": 2,
        "hidden_dim": 8,
        "intermediate_dim": 24,
        "head_dim": 4,
    }
    return {
        "CLIP": lambda: hub.CLIPBackbone(
            vision_encoder=hub.CLIPVisionEncoder(**TRANSFORMER, **patches),
            text_encoder=hub.CLIPTextEncoder(**text),
            projection_dim=5,
        ),
        "MetaCLIP 2": lambda: hub.MetaCLIP2Backbone(
            vision_encoder=hub.MetaCLIP2VisionEncoder(**TRANSFORMER, **patches),
            text_encoder=hub.MetaCLIP2TextEncoder(**text),
            projection_dim=5,
        ),
        "SigLIP": lambda: hub.SigLIPBackbone(
            vision_encoder=hub.SigLIPVisionEncoder(**TRANSFORMER, **patches),
            text_encoder=hub.SigLIPTextEncoder(**text),
        ),
        "PaliGemma": lambda: hub.PaliGemmaBackbone(
            **gemma, image_size=16, vit_patch_size=4, vit_num_heads=2, vit_hidden_dim=8, vit_num_layers=1,
            vit_intermediate_dim=12,
        ),
        "Gemma 3, vision": lambda: with_inputs(hub.Gemma3Backbone(
            **gemma,
            image_size=16,
            vision_encoder=hub.Gemma3VisionEncoder(
                image_size=16, patch_size=4, num_heads=2, hidden_dim=8, num_layers=1, intermediate_dim=12,
                output_dim=8, pool_size=2,
            ),
        ), images=(1, 16, 16, 3), vision_indices=(4,), vision_mask=(7,), token_ids=(7,), padding_mask=(7,)),
        "Gemma 4, vision": lambda: with_inputs(hub.Gemma4Backbone(
            **gemma,
            image_size=16,
            vision_encoder=hub.Gemma4VisionEncoder(
                image_size=16, patch_size=4, num_heads=2, hidden_dim=8, num_layers=1, intermediate_dim=12,
                head_dim=4, output_dim=8, pool_size=2, position_embedding_size=8,
            ),
        ), pixel_values=(1, 16, 48), pixel_position_ids=(1, 16, 2), vision_indices=(4,), vision_mask=(7,),
            token_ids=(7,), padding_mask=(7,), position_ids=(7,)),
        "BLIP-2, text": lambda: hub.BLIP2Backbone(
            vision_encoder=None,
            qformer=None,
            language_model=blip2_opt(hub, num_query_tokens=0, qformer_hidden_dim=8),
        ),
        "BLIP-2": lambda: blip2(hub),
        "Whisper": lambda: hub.WhisperBackbone(
            vocabulary_size=20, **TRANSFORMER, max_encoder_sequence_length=16, max_decoder_sequence_length=8
        ),
        "Moonshine": lambda: with_inputs(hub.MoonshineBackbone(
            vocabulary_size=20, filter_dim=8, encoder_num_layers=1, decoder_num_layers=1, hidden_dim=8,
            intermediate_dim=12, encoder_num_heads=2, decoder_num_heads=2,
        ), encoder_input_values=(2000, 1), encoder_padding_mask=(2000,), decoder_token_ids=(5,),
            decoder_padding_mask=(5,)),
        "MMDiT (Stable Diffusion 3)": lambda: mmdit(),
        "MMDiT (Stable Diffusion 3.5)": lambda: mmdit(qk_norm="rms_norm", dual_attention_indices=(0,)),
        "Flux": lambda: hub.FluxBackbone(
            input_channels=8, hidden_size=16, mlp_ratio=1.0, num_heads=2, depth=1, depth_single_blocks=1,
            axes_dim=[2, 2, 4], theta=100, use_bias=True, guidance_embed=True, image_shape=(5, 8),
            text_shape=(6, 7), image_ids_shape=(5, 3), text_ids_shape=(6, 3), y_shape=(9,),
        ),
        "Stable Diffusion 3": lambda: hub.StableDiffusion3Backbone(
            mmdit_patch_size=2, mmdit_hidden_dim=8, mmdit_num_layers=2, mmdit_num_heads=2,
            mmdit_position_size=8, mmdit_qk_norm=None, mmdit_dual_attention_indices=None, vae=vae(),
            clip_l=hub.CLIPTextEncoder(**text, intermediate_output_index=0),
            clip_g=hub.CLIPTextEncoder(**text, intermediate_output_index=0),
            latent_channels=4, image_shape=(16, 16, 3),
        ),
    }  # fmt: skip


def with_inputs(model: Any, **shapes: tuple[int, ...]) -> Any:
    """The model at fixed sizes, for one whose inputs must fit one another."""
    import keras

    inputs = {
        t.name: keras.Input(shapes[t.name], dtype=t.dtype, name=t.name)
        for t in keras.tree.flatten(model.input)
    }
    return keras.Model(inputs, model(inputs))


def blip2_opt(hub: Any, **more: Any) -> Any:
    return hub.BLIP2CustomOPT(
        vocabulary_size=20, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=12, dropout=0.0,
        max_sequence_length=12, **more,
    )  # fmt: skip


def blip2(hub: Any) -> Any:
    return hub.BLIP2Backbone(
        vision_encoder=hub.BLIP2VisionEncoder(
            image_size=16, patch_size=4, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=12,
            use_patch_bias=True, use_class_token=True, use_mha_bias=True, use_mlp_bias=True, dropout_rate=0.0,
            layer_norm_epsilon=1e-6, initializer_range=0.02,
        ),
        qformer=hub.BLIP2QFormer(
            num_query_tokens=3, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=12, vision_dim=8,
            cross_attention_frequency=2, dropout=0.0, layer_norm_epsilon=1e-6,
        ),
        language_model=blip2_opt(hub, num_query_tokens=3, qformer_hidden_dim=8),
    )  # fmt: skip


def mmdit(**more: Any) -> Any:
    from keras_hub.src.models.stable_diffusion_3.mmdit import MMDiT

    return MMDiT(
        patch_size=2, hidden_dim=8, num_layers=2, num_heads=2, position_size=6, mlp_ratio=2.0,
        latent_shape=(4, 4, 3), context_shape=(5, 7), pooled_projection_shape=(6,), **more,
    )  # fmt: skip
