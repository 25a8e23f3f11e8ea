//! The whole answer to one question: both phases, memory, spilling, several devices, speculation, waiting times.

use crate::job::Job;
use crate::memory::held;
use crate::predict::{Predictor, bound_workload, main_limit};
use crate::resolve::Refusal;
use roofmark_facts::answer::{Answer, Memory};
use roofmark_facts::bounds;
use roofmark_facts::machine::MachineKind;
use roofmark_facts::prediction::{Interval, Limit, Part, Prediction};
use roofmark_facts::units::{Bytes, BytesPerSecond, Seconds, TokensPerSecond, significant};
use serde::Serialize;

/// A question.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Decoding as it is asked for: depth, batch, engine, backend.
    pub job: Job<'a>,
    /// Prompt tokens before the answer.
    pub prompt: f64,
    /// Mean accepted length of speculative decoding, the bonus token included.
    pub accepted: Option<f64>,
    /// How many machines or cards share the work.
    pub devices: u32,
    /// Bandwidth of the link between them, one direction.
    pub link: Option<BytesPerSecond>,
    /// How they share it.
    pub split: Split,
    /// Memory bandwidth of the host that computes what a card cannot hold.
    pub host: Option<BytesPerSecond>,
    /// Width of the residual stream, where the shape is known; needed for traffic between devices.
    pub hidden: Option<f64>,
}

/// How several devices share a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Each holds a slice of every layer; results are summed twice a layer.
    Tensor,
    /// Each holds some of the layers.
    Pipeline,
}

/// Share of a link's or host memory's bandwidth that streaming weights reaches.
const LINK_EFFICIENCY: f64 = 0.9;
/// Time of one hand-over between card and host.
const CROSSING: f64 = 30e-6;
/// Latency of one collective between devices, over a network and inside one machine.
const NETWORK_LATENCY: f64 = 25e-6;
/// Log standard deviation that spilling, joining and speculation add: they are hardly measured.
const EXTRA_DEVIATION: f64 = 0.15;
/// Cost of drafting a token relative to a step of the model.
const DRAFT_COST: f64 = 0.05;

/// Answers `ask`.
///
/// # Errors
/// [`Refusal::NoBandwidth`], and [`Refusal::Contradiction`] for options that cannot hold together.
pub fn answer(predictor: &Predictor<'_>, ask: &Ask<'_>) -> Result<Answer, Refusal> {
    check(ask)?;
    let job = &ask.job;
    let memory = held(job, ask.prompt + job.generated, ask.devices);
    let no_bandwidth = || Refusal::NoBandwidth(job.machine.slug.clone());
    let mut decode = predictor.predict_unseen(job, None, 3).ok_or_else(no_bandwidth)?;
    let mut prefill =
        predictor.predict_unseen(&job.prefill(ask.prompt, job.depth), None, 3).ok_or_else(no_bandwidth)?;
    if ask.devices > 1 {
        join(&mut decode, ask, job.batch);
        join(&mut prefill, ask, ask.prompt);
    }
    if let Some(accepted) = ask.accepted {
        speculate(predictor, &mut decode, job, accepted);
    }
    let mut streamed = None;
    if job.machine.kind == MachineKind::Discrete && !memory.fits() {
        streamed =
            spill(&decode, ask, &memory, job.machine.link.as_ref().map(|link| link.value), Limit::HostLink);
        let host = ask.host.and_then(|host| spill(&decode, ask, &memory, Some(host), Limit::HostMemory));
        decode = host.or_else(|| streamed.clone()).unwrap_or(decode);
        if let Some(spilled) = spill_prefill(&prefill, ask, &memory) {
            prefill = spilled;
        }
    }
    let first_token = Seconds(ask.prompt / prefill.rate.get() + job.batch / decode.rate.get());
    let each = decode.rate.get() / job.batch;
    let until = |tokens: f64| first_token + Seconds((tokens - 1.0) / each);
    Ok(Answer {
        answer_50: until(50.0),
        answer_500: until(500.0),
        decode,
        streamed,
        prefill,
        memory,
        first_token,
    })
}

fn check(ask: &Ask<'_>) -> Result<(), Refusal> {
    let refuse = |text: String| Err(Refusal::Contradiction(text));
    let job = &ask.job;
    if !job.backend.runs_on(job.machine) {
        return refuse(format!("{} does not run on {}", job.backend.name(), job.machine.slug));
    }
    if ask.link.is_some() && ask.devices < 2 {
        return refuse("a link needs several machines".to_owned());
    }
    if let Some(context) = job.profile.context {
        let tokens = job.deepest() + ask.prompt;
        if tokens > context as f64 {
            return refuse(format!(
                "{tokens} tokens are more than the context of {context} that the model has"
            ));
        }
    }
    if ask.accepted.is_some_and(|accepted| !(1.0..=16.0).contains(&accepted)) {
        return refuse("the accepted length is outside 1 to 16".to_owned());
    }
    Ok(())
}

/// Replaces the parts of `prediction` and moves its rates along; the intervals grow.
fn rebuild(prediction: &mut Prediction, parts: Vec<Part>, gain: f64, note: String) {
    let before = prediction.step.get();
    let after: f64 = parts.iter().map(|part| part.time.get()).sum();
    let factor = before / after * gain;
    let widen = (1.645 * EXTRA_DEVIATION).exp();
    let moved = |interval: Interval| Interval {
        low: TokensPerSecond(interval.low.get() * factor / widen),
        high: TokensPerSecond(interval.high.get() * factor * widen),
    };
    prediction.rate = prediction.rate * factor;
    prediction.interval90 = moved(prediction.interval90);
    prediction.interval95 = moved(prediction.interval95);
    prediction.limit = main_limit(&parts);
    prediction.breakdown = parts;
    prediction.step = Seconds(after);
    prediction.notes.push(note);
}

/// Shares the work between devices: bytes and arithmetic divide, overhead does not, each layer adds traffic.
fn join(prediction: &mut Prediction, ask: &Ask<'_>, tokens: f64) {
    let devices = f64::from(ask.devices);
    let share = if ask.split == Split::Tensor { devices } else { 1.0 };
    let divided = prediction.breakdown.iter().map(|part| match part.limit {
        Limit::Overhead => *part,
        _ => Part { time: part.time / share, ..*part },
    });
    let mut parts: Vec<Part> = divided.collect();
    parts.push(Part { limit: Limit::Network, time: Seconds(network(ask, tokens)) });
    let how = if ask.split == Split::Tensor { "tensor parallel" } else { "pipeline" };
    rebuild(
        prediction,
        parts,
        1.0,
        format!("{} devices, {how}; the split itself is not calibrated", ask.devices),
    );
    prediction.ceiling = prediction.ceiling.map(|ceiling| ceiling * share);
}

/// Time that one step of `tokens` tokens spends between devices.
fn network(ask: &Ask<'_>, tokens: f64) -> f64 {
    let link = ask.link.or(ask.job.machine.network.as_ref().map(|link| link.value));
    let link =
        link.or(ask.job.machine.link.as_ref().map(|link| link.value)).map_or(25e9, BytesPerSecond::get);
    let message = ask.hidden.unwrap_or(5120.0) * 2.0 * tokens;
    let devices = f64::from(ask.devices);
    let hops = match ask.split {
        Split::Tensor => 2.0 * f64::from(ask.job.profile.layers),
        Split::Pipeline => devices - 1.0,
    };
    let volume = if ask.split == Split::Tensor { 2.0 * (devices - 1.0) / devices } else { 1.0 };
    hops * (NETWORK_LATENCY + volume * message / (link * LINK_EFFICIENCY))
}

/// Speculation: one verification of the drafted tokens yields `accepted` tokens.
fn speculate(predictor: &Predictor<'_>, decode: &mut Prediction, job: &Job<'_>, accepted: f64) {
    let drafted = accepted.ceil().max(2.0);
    let Some(verify) = predictor.predict(&job.batched(job.batch * drafted)) else { return };
    let cache = |part: &&Part| part.limit == Limit::Cache;
    let plain_cache: f64 = decode.breakdown.iter().filter(cache).map(|part| part.time.get()).sum();
    let mut parts: Vec<Part> =
        verify.breakdown.iter().filter(|part| part.limit != Limit::Cache).copied().collect();
    parts.push(Part { limit: Limit::Cache, time: Seconds(plain_cache) });
    let draft = decode.step.get() * DRAFT_COST * drafted;
    parts.push(Part { limit: Limit::Compute, time: Seconds(draft) });
    let note =
        format!("speculation: {} tokens accepted a pass, {drafted} verified", significant(accepted, 3));
    rebuild(decode, parts, accepted, note);
    decode.ceiling = decode.ceiling.map(|ceiling| ceiling * accepted);
}

/// Decoding with the weights that do not fit read at `beyond`.
fn spill(
    decode: &Prediction,
    ask: &Ask<'_>,
    memory: &Memory,
    beyond: Option<BytesPerSecond>,
    limit: Limit,
) -> Option<Prediction> {
    let beyond = beyond?;
    let outside = (memory.short_by() / memory.needed()).clamp(0.0, 1.0);
    let inside = |part: &Part| match part.limit {
        Limit::Weights | Limit::Experts | Limit::Cache => Part { time: part.time * (1.0 - outside), ..*part },
        _ => *part,
    };
    let mut parts: Vec<Part> = decode.breakdown.iter().map(inside).collect();
    let layers = (f64::from(ask.job.profile.layers) * outside).ceil();
    let crossings = if limit == Limit::HostLink { layers } else { 2.0 };
    let read = decode.bytes * outside;
    parts.push(Part {
        limit,
        time: Seconds(read.get() / (beyond.get() * LINK_EFFICIENCY) + crossings * CROSSING),
    });
    let mut spilled = decode.clone();
    spilled.ceiling = spilled_ceiling(ask, memory, beyond).or(decode.ceiling);
    let way = if limit == Limit::HostLink { "streamed over the host link" } else { "computed by the host" };
    let note = format!(
        "{} GB do not fit and are {way} at {} GB/s",
        significant(memory.short_by().gb(), 3),
        significant(beyond.gb(), 3)
    );
    rebuild(&mut spilled, parts, 1.0, note);
    Some(spilled)
}

/// Bound of decoding when what does not fit is read at `beyond`.
fn spilled_ceiling(ask: &Ask<'_>, memory: &Memory, beyond: BytesPerSecond) -> Option<TokensPerSecond> {
    let job = &ask.job;
    let mut bound = bounds::bound(job.machine, &job.profile, &bound_workload(job), Bytes(0.0));
    bound.capacity.spill = bound.step.traffic() * (memory.short_by() / memory.needed());
    bounds::spilled_rate(&bound, beyond)
}

/// Prefill with the weights that do not fit streamed once a pass.
fn spill_prefill(prefill: &Prediction, ask: &Ask<'_>, memory: &Memory) -> Option<Prediction> {
    let link = ask.job.machine.link.as_ref()?.value;
    let job = ask.job.prefill(ask.prompt, ask.job.depth);
    let passes = (job.prompt_tokens() / job.pass()).ceil();
    let mut parts = prefill.breakdown.clone();
    let time = passes * memory.short_by().get() / (link.get() * LINK_EFFICIENCY);
    parts.push(Part { limit: Limit::HostLink, time: Seconds(time) });
    let mut spilled = prefill.clone();
    rebuild(&mut spilled, parts, 1.0, "weights that do not fit are streamed once a pass".to_owned());
    Some(spilled)
}
