"""Small configurations of keras-hub's text models, by a short name; `tabulate_models.py` converts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TEXT = {"vocabulary_size": 20, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
GROUPED = {
    "vocabulary_size": 20,
    "num_layers": 2,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 12,
}
SHORT = {"max_sequence_length": 12}


def without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if k not in names}


def encoders(hub: Any) -> dict[str, Callable[[], Any]]:
    """Encoders and encoder-decoders."""
    esm = {**TEXT, "max_sequence_length": 12}
    gemma_pair = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in {
            "hidden_dim": 8,
            "intermediate_dim": 12,
            "num_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 4,
            "layer_types": ["sliding_attention", "full_attention"],
        }.items()
    }
    return {
        "ALBERT": lambda: hub.AlbertBackbone(**TEXT, **SHORT, embedding_dim=6, num_groups=1),
        "BART": lambda: hub.BartBackbone(**TEXT, **SHORT),
        "BERT": lambda: hub.BertBackbone(**TEXT, **SHORT),
        "DeBERTaV3": lambda: hub.DebertaV3Backbone(**TEXT, **SHORT, bucket_size=4),
        "DistilBERT": lambda: hub.DistilBertBackbone(**TEXT, **SHORT),
        "EdRec": lambda: hub.EdRecBackbone(
            vocab_size=20, num_layers_enc=2, num_layers_dec=2, hidden_dim=8, intermediate_dim=12, num_heads=2
        ),
        "ELECTRA": lambda: hub.ElectraBackbone(
            vocab_size=20, **without(TEXT, "vocabulary_size"), **SHORT, embedding_dim=6
        ),
        "ESM": lambda: hub.ESMBackbone(**esm),
        "ESM2": lambda: hub.ESM2Backbone(**esm, use_pre_layer_norm=True),
        "ESM, absolute positions": lambda: hub.ESMBackbone(**esm, position_embedding_type="absolute"),
        "FNet": lambda: hub.FNetBackbone(**without(TEXT, "num_heads"), **SHORT),
        "RoBERTa": lambda: hub.RobertaBackbone(**TEXT, **SHORT),
        "RoFormerV2": lambda: hub.RoformerV2Backbone(**TEXT, head_size=4),
        "T5": lambda: hub.T5Backbone(**TEXT, key_value_dim=4),
        "T5 1.1": lambda: hub.T5Backbone(**TEXT, key_value_dim=4, tie_embedding_weights=False),
        "T5Gemma": lambda: hub.T5GemmaBackbone(vocabulary_size=20, **gemma_pair, sliding_window=4),
        "T5Gemma 2": lambda: hub.T5Gemma2Backbone(vocabulary_size=20, **gemma_pair, sliding_window=4),
        "XLM-RoBERTa": lambda: hub.XLMRobertaBackbone(**TEXT, **SHORT),
        "XLNet": lambda: hub.XLNetBackbone(**TEXT),
    }


def decoders(hub: Any) -> dict[str, Callable[[], Any]]:
    """Causal language models."""
    gemma = {**GROUPED, "head_dim": 4, "intermediate_dim": 24}
    windowed = {"use_sliding_window_attention": True, "sliding_window_size": 4}
    qwen_3_5 = {
        **without(GROUPED, "intermediate_dim"),
        "head_dim": 8,
        "num_layers": 2,
        "layer_types": ["linear_attention", "full_attention"],
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 3,
        "linear_value_head_dim": 5,
    }
    smol = {
        "vocabulary_size": 20,
        "hidden_dim": 16,
        "intermediate_dim": 12,
        "num_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "rope_layer_enabled_list": [True, False],
        "layer_types": ["attention", "attention"],
        "mlp_bias": False,
        "layer_norm_epsilon": 1e-5,
        "max_position_embeddings": 12,
        "rope_theta": 1e4,
        "partial_rotary_factor": 1.0,
    }
    return {
        "BLOOM": lambda: hub.BloomBackbone(**TEXT),
        "Falcon": lambda: hub.FalconBackbone(
            **without(TEXT, "num_heads"), num_attention_heads=2
        ),
        "GPT-2": lambda: hub.GPT2Backbone(**TEXT, **SHORT),
        "GPT-NeoX": lambda: hub.GPTNeoXBackbone(**{**TEXT, "hidden_dim": 16}, **SHORT),
        "GPT-OSS": lambda: hub.GptOssBackbone(**GROUPED, num_experts=3, top_k=2, sliding_window=4),
        "Gemma": lambda: hub.GemmaBackbone(
            **{**gemma, "num_query_heads": 2, "num_key_value_heads": 1}
        ),
        "Gemma 2": lambda: hub.GemmaBackbone(
            **gemma, **windowed, use_post_ffw_norm=True, use_post_attention_norm=True,
            attention_logit_soft_cap=50.0, final_logit_soft_cap=30.0,
        ),
        "Gemma 3": lambda: hub.Gemma3Backbone(
            **gemma, **windowed, image_size=None, use_post_ffw_norm=True, use_post_attention_norm=True
        ),
        "Gemma 3n": lambda: hub.Gemma3nBackbone(
            text_vocab_size=20, text_hidden_size=8, num_hidden_layers=2, pad_token_id=0,
            num_attention_heads=2, num_key_value_heads=1, head_dim=4, intermediate_size=[12, 12],
            hidden_activation="gelu_approximate",
            layer_types=["sliding_attention", "full_attention"], sliding_window=4, rope_theta=1e4,
            max_position_embeddings=12, vocab_size_per_layer_input=20, hidden_size_per_layer_input=3,
            altup_num_inputs=2, laurel_rank=2,
        ),
        "Gemma 4": lambda: hub.Gemma4Backbone(
            **gemma, image_size=None, sliding_window_size=4, sliding_window_pattern=2
        ),
        "Gemma 4, experts": lambda: hub.Gemma4Backbone(
            **gemma, image_size=None, sliding_window_size=4, sliding_window_pattern=2, enable_moe_block=True,
            num_experts=3, expert_intermediate_dim=5, num_experts_per_token=2,
        ),
        "Llama 2": lambda: hub.LlamaBackbone(**GROUPED),
        "Llama 3": lambda: hub.Llama3Backbone(**GROUPED),
        "Llama 3.2": lambda: hub.Llama3Backbone(
            **GROUPED, tie_word_embeddings=True, rope_frequency_adjustment_factor=32.0,
            rope_low_freq_factor=1.0, rope_high_freq_factor=4.0, rope_pretraining_sequence_length=8,
        ),
        "Mistral": lambda: hub.MistralBackbone(**GROUPED, sliding_window=4),
        "Mixtral": lambda: hub.MixtralBackbone(**GROUPED, num_experts=3, top_k=2, sliding_window=4),
        "OPT": lambda: hub.OPTBackbone(**TEXT, **SHORT),
        "Phi-3": lambda: hub.Phi3Backbone(**GROUPED),
        "Phi-3, long": lambda: hub.Phi3Backbone(
            **GROUPED, max_sequence_length=16, pretraining_sequence_length=8, rope_scaling_type="su",
            rope_scaling_short_factor=[1.0, 1.1], rope_scaling_long_factor=[1.5, 2.0],
        ),
        "Qwen 2": lambda: hub.QwenBackbone(**GROUPED),
        "Qwen 2, untied": lambda: hub.Qwen2Backbone(**GROUPED, **windowed, tie_word_embeddings=False),
        "Qwen 3": lambda: hub.Qwen3Backbone(**GROUPED, head_dim=4),
        "Qwen 3.5": lambda: hub.Qwen3_5Backbone(**qwen_3_5, intermediate_dim=12),
        "Qwen 1.5 MoE": lambda: hub.QwenMoeBackbone(
            **GROUPED, moe_intermediate_dim=5, shared_expert_intermediate_dim=6, num_experts=3, top_k=2
        ),
        "Qwen 3 MoE": lambda: hub.Qwen3MoeBackbone(
            **GROUPED, moe_intermediate_dim=5, num_experts=3, top_k=2, head_dim=4, norm_top_k_prob=True
        ),
        "Qwen 3.5 MoE": lambda: hub.Qwen3_5MoeBackbone(
            **qwen_3_5, moe_intermediate_dim=5, shared_expert_intermediate_size=6, num_experts=3, top_k=2
        ),
        "RWKV-7": lambda: hub.RWKV7Backbone(
            hidden_size=8, head_size=4, num_layers=2, vocabulary_size=20, intermediate_dim=12, gate_lora=3,
            mv_lora=3, aaa_lora=3, decay_lora=3,
        ),
        "SmolLM": lambda: hub.SmolLMBackbone(**smol),
        "SmolLM 3": lambda: hub.SmolLM3Backbone(**{**smol, "attention_bias": True, "mlp_bias": True}),
    }  # fmt: skip


def text_models(hub: Any) -> dict[str, Callable[[], Any]]:
    return encoders(hub) | decoders(hub)
