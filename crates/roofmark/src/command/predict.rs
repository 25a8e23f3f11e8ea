//! `roofmark predict`: rates with intervals, what limits them and what they rest on.

mod screen;

use crate::catalog::catalog;
use crate::exit::Exit;
use crate::pick;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use roofmark_facts::config::config_shape;
use roofmark_facts::machine::Machine;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::shape::Shape;
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::BytesPerSecond;
use roofmark_theory::answer::{Answer, Ask, Split, answer};
use roofmark_theory::job::Job;
use roofmark_theory::predict::Predictor;
use roofmark_theory::software::{Backend, Engine};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
