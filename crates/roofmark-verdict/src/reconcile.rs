//! Where the time goes between the engine and what a user of its server sees.
//!
//! Every part is measured on its own; the rest is what they leave open, and it is printed.

use crate::stats::median;
use roofmark_facts::reconcile_record::{Balance, Part, Reconciliation, Round};
use roofmark_facts::units::{Seconds, TokensPerSecond};

/// Works out the balance; `None` without a round.
#[must_use]
pub fn balance(record: &Reconciliation) -> Option<Balance> {
    let of = |value: &dyn Fn(&Round) -> Seconds| {
        let values: Vec<f64> = record.rounds.iter().map(|round| value(round).get()).collect();
        median(&values).map(Seconds)
    };
    let engine = of(&|round| round.prefill + round.decode)?;
    let decode = of(&|round| round.decode)?;
    let user = of(&|round| round.streamed)?;
    let part = |name: &str, how: &str, value: &dyn Fn(&Round) -> Seconds| {
        Some(Part { name: name.into(), how: how.into(), time: of(value)? })
    };
    let parts = vec![
        part("tokenise", "tokenising the prompt, less an empty request", &|round| {
            round.tokenise - round.empty
        })?,
        part("template", "filling the chat template, less an empty request", &|round| {
            round.template - round.empty
        })?,
        part("sampling", "the default samplers, less the fewest there can be", &|round| {
            round.whole.decode - round.least.decode
        })?,
        part("HTTP", "an empty request, and the stream less one piece", &|round| {
            round.empty + round.streamed - round.whole.total
        })?,
        part("scheduling", "the server's own time with the fewest samplers, less the engine's", &|round| {
            round.least.prefill + round.least.decode - round.prefill - round.decode
        })?,
    ];
    let explained: f64 = parts.iter().map(|part| part.time.get()).sum();
    let rest = user - engine - Seconds(explained);
    let steps = f64::from(record.output_tokens.saturating_sub(1));
    Some(Balance {
        engine,
        user,
        engine_rate: TokensPerSecond::of(steps, decode),
        user_rate: TokensPerSecond::of(f64::from(record.output_tokens), user),
        parts,
        rest,
        rest_share: rest.get() / user.get(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::load_record::{ServerEngine, ServerFacts};
    use roofmark_facts::reconcile_record::UNEXPLAINED_MOST;
    use roofmark_facts::reconcile_record::{Answered, FORMAT};
    use roofmark_facts::records::Host;

    fn record(rounds: Vec<Round>) -> Reconciliation {
        let server = ServerFacts { engine: ServerEngine::LlamaServer, ..roofmark_testing::server_facts() };
        Reconciliation {
            format: FORMAT.into(),
            tool: String::new(),
            date: String::new(),
            machine: Host::default(),
            model: "m".into(),
            engine: "e".into(),
            server,
            threads: 1,
            prompt_tokens: 100,
            output_tokens: 51,
            rounds,
        }
    }

    /// A round whose parts are known: engine 100 + 500, tokenise 1, template 2, sampling 30, empty request 4,
    /// stream 6, scheduling 10, and `open` that nothing explains; all in milliseconds.
    fn round(open: f64) -> Round {
        let ms = |value: f64| Seconds(value / 1e3);
        let least = Answered { total: ms(617.0 + open), prefill: ms(103.0), decode: ms(507.0) };
        let whole = Answered { total: ms(647.0 + open), prefill: ms(103.0), decode: ms(537.0) };
        Round {
            prefill: ms(100.0),
            decode: ms(500.0),
            streamed: ms(653.0 + open),
            whole,
            least,
            empty: ms(4.0),
            tokenise: ms(5.0),
            template: ms(6.0),
        }
    }

    #[test]
    fn known_parts_are_found_and_the_rest_is_what_is_left() {
        let found = balance(&record(vec![round(7.0); 3])).unwrap();
        let times: Vec<(&str, f64)> = found
            .parts
            .iter()
            .map(|part| (part.name.as_str(), (part.time.get() * 1e6).round() / 1e3))
            .collect();
        assert_eq!(
            times,
            [("tokenise", 1.0), ("template", 2.0), ("sampling", 30.0), ("HTTP", 10.0), ("scheduling", 10.0)]
        );
        assert!((found.rest.get() - 0.007).abs() < 1e-9, "{:?}", found.rest);
        assert!((found.engine_rate.get() - 100.0).abs() < 1e-9);
        assert!(found.rest_share < UNEXPLAINED_MOST);
        assert!(balance(&record(Vec::new())).is_none());
    }
}
