//! Greedy continuation of a text: the check that a fast engine is also a right one.

use crate::batch::Batch;
use crate::context::Context;
use crate::model::render;
use roofmark_measure::engine::serve::Progress;
use roofmark_measure::engine::{GenerateRequest, Generated};

/// Continues the prompt of `request` with the likeliest token each time.
pub fn generate(
    context: &mut Context,
    request: &GenerateRequest,
    progress: &Progress,
) -> Result<Generated, String> {
    let mut tokens = prompt(context, request)?;
    let prompt_tokens = tokens.len();
    let room = context.tokens_per_sequence() as usize;
    if prompt_tokens == 0 || prompt_tokens + request.tokens as usize > room {
        return Err(format!(
            "a prompt of {prompt_tokens} tokens and {} more do not fit into {room}",
            request.tokens
        ));
    }
    context.clear();
    let mut bytes = Vec::new();
    for step in 0..request.tokens {
        let start = if step == 0 { 0 } else { tokens.len() - 1 };
        let next = likeliest(context, &tokens[start..], start)?;
        if context.model().ends(next) {
            break;
        }
        bytes.extend(context.model().piece(next));
        tokens.push(next);
        progress.set(u64::from(step) + 1, u64::from(request.tokens));
    }
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    Ok(Generated {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        prompt_tokens: count(prompt_tokens),
        tokens: count(tokens.len() - prompt_tokens),
    })
}

fn prompt(context: &Context, request: &GenerateRequest) -> Result<Vec<i32>, String> {
    let model = context.model();
    if !model.has_tokenizer() {
        return Err("the file has no tokenizer".to_owned());
    }
    if !request.chat {
        return model.tokenize(&request.prompt, true);
    }
    let template = model.chat_template().ok_or("the file has no chat template")?;
    let text =
        render(&template, &request.prompt).ok_or("the engine does not know the file's chat template")?;
    model.tokenize(&text, true)
}

fn likeliest(context: &mut Context, tokens: &[i32], position: usize) -> Result<i32, String> {
    let step = context.batch_limit().max(1) as usize;
    let mut batch = Batch::default();
    for (chunk_index, chunk) in tokens.chunks(step).enumerate() {
        batch.clear();
        for (index, &token) in chunk.iter().enumerate() {
            let at = position + chunk_index * step + index;
            batch.push(token, i32::try_from(at).unwrap_or(i32::MAX), 0, index + 1 == chunk.len());
        }
        context.decode(&mut batch)?;
    }
    let logits = context.logits().ok_or("the engine gave no logits")?;
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    best.and_then(|token| i32::try_from(token).ok()).ok_or_else(|| "the vocabulary is empty".to_owned())
}
