//! Reads the shape of a model from a Hugging Face `config.json`.
//!
//! Only the keys that decide shapes are read. Key names are those of the published configurations;
//! which of them an architecture uses follows the `transformers` model of the same name.

mod defaults;
mod ffn;
mod mixer;

use crate::shape::{AltUp, Indexer, Layer, PerLayerEmbedding, Shape, Streams};
use serde_json::Value;

/// Why a configuration gives no shape. Completes "failed to read the model configuration: …".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The document is not a JSON object.
    #[error("the document is not an object")]
    NotAnObject,
    /// A key that this model type needs is absent.
    #[error("`{field}` is missing (model_type `{model_type}`)")]
    Missing {
        /// The key.
        field: String,
        /// The model type that needs it.
        model_type: String,
    },
    /// A key has a value that cannot be.
    #[error("`{field}` is {value}, expected {expected}")]
    Invalid {
        /// The key.
        field: String,
        /// What stands there.
        value: String,
        /// What could stand there.
        expected: String,
    },
    /// The architecture has parts that Roofmark does not know.
    #[error("model_type `{0}` has parts that are not supported")]
    Unsupported(String),
}

/// No model has this many layers; a larger count is a broken or hostile file.
const MOST_LAYERS: u64 = 4096;
/// No dimension of a layer is this large; the product of three stays within `u64`.
const LARGEST_DIMENSION: u64 = 1 << 20;
/// No vocabulary or context is this large.
const LARGEST_COUNT: u64 = 1 << 32;

impl Shape {
    /// The shape that a `config.json` describes. Of a multimodal model, that of its language model.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that is missing or wrong.
    pub fn from_config(document: &Value) -> Result<Self, ConfigError> {
        let config = Config::new(document)?;
        let (arch, note) = architecture(&config);
        let count = config.count("num_hidden_layers", MOST_LAYERS)?;
        let layers = (0..count)
            .map(|index| {
                let mixer = mixer::mixer(&config, arch, index)?;
                Ok(Layer { mixer, ffn: ffn::ffn(&config, arch, index)? })
            })
            .collect::<Result<Vec<_>, ConfigError>>()?;
        Ok(Self {
            arch: arch.to_owned(),
            hidden: config.size("hidden_size")?,
            vocab: config.size("vocab_size")?,
            tied: tied(&config, arch),
            context: config.optional("max_position_embeddings")?,
            layers,
            per_layer_embedding: per_layer_embedding(&config)?,
            streams: if arch == "qwen4exp" { Some(streams(&config)?) } else { None },
            prediction_layers: prediction_layers(&config, arch)?,
            note,
        })
    }
}

/// Families whose configurations leave `tie_word_embeddings` out because it is their default.
fn tied(config: &Config, arch: &str) -> bool {
    let default =
        arch.starts_with("gemma") || arch.starts_with("lfm2") || matches!(arch, "command-r" | "cohere2");
    config.flag("tie_word_embeddings").or_else(|| config.flag("tie_embedding")).unwrap_or(default)
}

/// Converters keep the prediction layer of GLM 4.5 to 4.7; those of the others are dropped.
fn prediction_layers(config: &Config, arch: &str) -> Result<u32, ConfigError> {
    let kept = matches!(arch, "glm4moe" | "glm-dsa");
    let stated = config.optional("num_nextn_predict_layers")?.unwrap_or(0).min(8);
    Ok(if kept { stated as u32 } else { 0 })
}

fn per_layer_embedding(config: &Config) -> Result<Option<PerLayerEmbedding>, ConfigError> {
    let width = config.optional("hidden_size_per_layer_input")?.unwrap_or(0);
    if width == 0 {
        return Ok(None);
    }
    let altup = match config.optional("altup_num_inputs")?.filter(|inputs| *inputs > 1) {
        Some(inputs) => Some(AltUp { inputs, laurel_rank: config.size("laurel_rank")? }),
        None => None,
    };
    Ok(Some(PerLayerEmbedding { vocab: config.size("vocab_size_per_layer_input")?, width, altup }))
}

/// One table for all n-grams of two and more tokens: each has its heads, each head its own rows.
fn streams(config: &Config) -> Result<Streams, ConfigError> {
    let ngram = config.size("ngram_size")?.max(2);
    let orders = ngram - 1;
    let heads = orders * config.size("heads_per_ngram")?;
    let fed = config.get("ple_layer_ids").and_then(Value::as_array);
    let fed = fed.ok_or_else(|| config.missing("ple_layer_ids"))?.iter().filter_map(Value::as_u64).collect();
    Ok(Streams {
        count: config.size("hc_count")?,
        rank: config.size("hc_lowrank")?,
        indexer: Indexer {
            heads: config.size("indexer_n_heads")?,
            dim: config.size("indexer_head_dim")?,
            top: config.size("indexer_budget")?,
        },
        pooled: config.optional("indexer_compress_ratio")?.unwrap_or(1),
        ngram,
        rows: heads * config.size("ngram_vocab_size_base")?,
        row: config.size("ple_embed_dim")? / heads,
        fed,
        taps: config.size("ple_conv_kernel_size")?,
    })
}

/// llama.cpp's name for a `model_type`, and a note where it had to be guessed.
fn architecture(config: &Config) -> (&'static str, Option<String>) {
    let stem = config.model_type.trim_end_matches("_text");
    let has_experts = config.present(&["num_experts", "n_routed_experts", "num_local_experts"]);
    let arch = match stem {
        "llama" | "mistral" | "mixtral" => "llama",
        "ministral3" | "mistral3" => "mistral3",
        "mistral4" => "mistral4",
        "qwen2" | "qwen2_vl" | "qwen2_5_vl" => "qwen2",
        "qwen2_moe" => "qwen2moe",
        "qwen3" => "qwen3",
        "qwen3_vl" => "qwen3vl",
        "qwen3_moe" => "qwen3moe",
        "qwen3_vl_moe" => "qwen3vlmoe",
        "qwen3_next" => "qwen3next",
        "qwen3_5" => "qwen35",
        "qwen3_5_moe" => "qwen35moe",
        "qwen4_exp" => "qwen4exp",
        "gpt_oss" => "gpt-oss",
        "gemma2" => "gemma2",
        "gemma3" => "gemma3",
        "gemma3n" => "gemma3n",
        "gemma4" | "gemma4_unified" => "gemma4",
        "phi3" => "phi3",
        "deepseek_v2" | "deepseek_v3" | "kimi_k2" | "glm4_moe_lite" => "deepseek2",
        "deepseek_v32" => "deepseek32",
        "deepseek_v4" => "deepseek4",
        "glm4" => "glm4",
        "glm4_moe" => "glm4moe",
        "glm_moe_dsa" => "glm-dsa",
        "nemotron_h" if has_experts => "nemotron_h_moe",
        "nemotron_h" => "nemotron_h",
        "nemotron-nas" => "deci",
        "granite" => "granite",
        "granitemoe" => "granitemoe",
        "granitemoehybrid" => "granitehybrid",
        "lfm2" => "lfm2",
        "lfm2_moe" => "lfm2moe",
        "llama4" => "llama4",
        "smollm3" => "smollm3",
        "minimax_m2" => "minimax-m2",
        "hunyuan_v1_moe" => "hunyuan-moe",
        "dots1" => "dots1",
        "cohere" => "command-r",
        "cohere2" => "cohere2",
        "olmo2" | "olmo3" => "olmo2",
        "ernie4_5" => "ernie4_5",
        "ernie4_5_moe" => "ernie4_5-moe",
        "seed_oss" => "seed_oss",
        "exaone4" => "exaone4",
        "internlm2" => "internlm2",
        _ => {
            return (
                "llama",
                Some(format!("model_type `{}` is not known: read as llama-like", config.model_type)),
            );
        }
    };
    (arch, None)
}

/// A configuration with its language model's part in front.
pub(crate) struct Config<'a> {
    parts: Vec<&'a serde_json::Map<String, Value>>,
    pub(crate) model_type: String,
}

impl<'a> Config<'a> {
    fn new(document: &'a Value) -> Result<Self, ConfigError> {
        let outer = document.as_object().ok_or(ConfigError::NotAnObject)?;
        let inner = ["text_config", "llm_config", "language_config"]
            .iter()
            .find_map(|key| outer.get(*key).and_then(Value::as_object));
        let mut parts: Vec<_> = inner.into_iter().chain([outer]).collect();
        let model_type = parts.iter().find_map(|part| part.get("model_type").and_then(Value::as_str));
        let model_type = model_type.map(str::to_owned).ok_or_else(|| ConfigError::Missing {
            field: "model_type".to_owned(),
            model_type: "unknown".to_owned(),
        })?;
        parts.extend(defaults::defaults(&model_type));
        Ok(Self { parts, model_type })
    }

    pub(crate) fn get(&self, field: &str) -> Option<&'a Value> {
        self.parts.iter().find_map(|part| part.get(field)).filter(|value| !value.is_null())
    }

    pub(crate) fn present(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.get(field).is_some_and(|value| value.as_u64() != Some(0)))
    }

    pub(crate) fn flag(&self, field: &str) -> Option<bool> {
        self.get(field).and_then(Value::as_bool)
    }

    /// A count or dimension that may be absent; zero is allowed.
    pub(crate) fn optional(&self, field: &str) -> Result<Option<u64>, ConfigError> {
        self.get(field).map(|value| number(field, value)).transpose()
    }

    /// A dimension: at least 1.
    pub(crate) fn size(&self, field: &str) -> Result<u64, ConfigError> {
        match self.optional(field)? {
            Some(0) => Err(invalid(field, &Value::from(0), "a number above 0")),
            Some(value) => Ok(value),
            None => Err(self.missing(field)),
        }
    }

    /// The first of several spellings of one key.
    pub(crate) fn first(&self, fields: &[&str]) -> Result<u64, ConfigError> {
        match fields.iter().find(|field| self.get(field).is_some()) {
            Some(field) => self.size(field),
            None => Err(self.missing(&fields.join("` or `"))),
        }
    }

    pub(crate) fn count(&self, field: &str, most: u64) -> Result<u64, ConfigError> {
        let value = self.size(field)?;
        if value > most {
            return Err(invalid(field, &Value::from(value), &format!("at most {most}")));
        }
        Ok(value)
    }

    /// The entry of layer `index` in a list of words, such as `layer_types`.
    pub(crate) fn word(&self, field: &str, index: u64) -> Result<Option<&'a str>, ConfigError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let list = value.as_array().ok_or_else(|| invalid(field, value, "a list"))?;
        let word = list.get(index as usize).and_then(Value::as_str);
        word.map(Some).ok_or_else(|| invalid(field, &Value::from(list.len()), "one word for each layer"))
    }

    pub(crate) fn missing(&self, field: &str) -> ConfigError {
        ConfigError::Missing { field: field.to_owned(), model_type: self.model_type.clone() }
    }
}

fn number(field: &str, value: &Value) -> Result<u64, ConfigError> {
    let counts = field.starts_with("vocab_size")
        || matches!(field, "max_position_embeddings" | "ngram_vocab_size_base");
    let most = if counts { LARGEST_COUNT } else { LARGEST_DIMENSION };
    let whole = |float: &f64| float.fract() == 0.0 && *float >= 0.0;
    let number = value.as_u64().or_else(|| value.as_f64().filter(whole).map(|float| float as u64));
    number
        .filter(|number| *number <= most)
        .ok_or_else(|| invalid(field, value, &format!("a whole number up to {most}")))
}

pub(crate) fn invalid(field: &str, value: &Value, expected: &str) -> ConfigError {
    let shown: String = value.to_string().chars().take(60).collect();
    ConfigError::Invalid { field: field.to_owned(), value: shown, expected: expected.to_owned() }
}
