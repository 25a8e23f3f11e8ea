//! The screen of the two views of one model: inside the engine, and through its server.

use crate::lines::labelled;
use roofmark_facts::reconcile_record::{Balance, Reconciliation, UNEXPLAINED_MOST};
use roofmark_facts::units::{Seconds, plain};

/// What was run, the two views, and where the difference goes.
#[must_use]
pub fn screen(record: &Reconciliation, balance: &Balance) -> String {
    let version = record.server.version.as_deref().unwrap_or("of unknown version");
    let threads = if record.threads == 1 { "1 thread".into() } else { format!("{} threads", record.threads) };
    let mut text = labelled("model", &record.model, 10);
    text += &labelled("engine", &format!("{}, {threads}", record.engine), 10);
    text += &labelled("server", &format!("{} {version}, the same settings", record.server.engine.slug()), 10);
    let tokens = format!("{} in, {} out", record.prompt_tokens, record.output_tokens);
    let rounds = format!("{tokens}; medians of {} rounds, both views in turns", record.rounds.len());
    text += &labelled("request", &rounds, 10);
    text.push('\n');
    text += &part_table(balance);
    text.push('\n');
    let rates = format!(
        "{} tok/s inside the engine while it generates; {} tok/s for the user over the whole request",
        plain(balance.engine_rate.get(), 3),
        plain(balance.user_rate.get(), 3)
    );
    text += &labelled("rates", &rates, 10);
    if balance.rest_share.abs() > UNEXPLAINED_MOST {
        let most = format!("the unexplained rest is above {:.0} %: ", UNEXPLAINED_MOST * 100.0);
        text +=
            &labelled("doubt", &format!("{most}leave the machine alone and run more rounds (--reps)"), 10);
    }
    text
}

fn part_table(balance: &Balance) -> String {
    let share = |time: Seconds| format!("{:.1} %", time.get() / balance.user.get() * 100.0);
    let row = |name: &str, time: Seconds, how: &str| {
        let head = format!("{name:<12}{:>9}{:>9}", plain(time.get() * 1e3, 3), share(time));
        labelled(&head, how, 32)
    };
    let mut text = format!("{:<12}{:>9}{:>9}  measured by\n", "one request", "ms", "share");
    text += &row("engine", balance.engine, "its prefill and decode calls");
    for part in &balance.parts {
        text += &row(&part.name, part.time, &part.how);
    }
    text += &row("unexplained", balance.rest, "what the parts leave open");
    text + &row("user", balance.user, "from sending to the last token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::load_record::{ServerEngine, ServerFacts};
    use roofmark_facts::reconcile_record::{FORMAT, Part, Round};
    use roofmark_facts::records::Host;
    use roofmark_facts::units::TokensPerSecond;

    #[test]
    fn a_screen_adds_up() {
        let record = Reconciliation {
            format: FORMAT.into(),
            tool: String::new(),
            date: String::new(),
            machine: Host::default(),
            model: "SmolLM2-135M-Instruct.Q4_1.gguf".into(),
            engine: "llama.cpp (llama-cpp-sys-2 0.1.161)".into(),
            server: ServerFacts {
                engine: ServerEngine::LlamaServer,
                version: Some("b1-0c1e570".into()),
                ..roofmark_testing::server_facts()
            },
            threads: 1,
            prompt_tokens: 128,
            output_tokens: 64,
            rounds: vec![Round::default(); 5],
        };
        let part = |name: &str, time: f64| Part { name: name.into(), how: "so".into(), time: Seconds(time) };
        let balance = Balance {
            engine: Seconds(0.6),
            user: Seconds(0.65),
            engine_rate: TokensPerSecond(120.0),
            user_rate: TokensPerSecond(98.4),
            parts: vec![part("tokenise", 0.001), part("sampling", 0.03)],
            rest: Seconds(0.019),
            rest_share: 0.0292,
        };
        insta::assert_snapshot!(screen(&record, &balance), @r"
        model     SmolLM2-135M-Instruct.Q4_1.gguf
        engine    llama.cpp (llama-cpp-sys-2 0.1.161), 1 thread
        server    llama-server b1-0c1e570, the same settings
        request   128 in, 64 out; medians of 5 rounds, both views in turns

        one request        ms    share  measured by
        engine            600   92.3 %  its prefill and decode calls
        tokenise            1    0.2 %  so
        sampling           30    4.6 %  so
        unexplained        19    2.9 %  what the parts leave open
        user              650  100.0 %  from sending to the last token

        rates     120 tok/s inside the engine while it generates; 98.4 tok/s for the
                  user over the whole request
        doubt     the unexplained rest is above 2 %: leave the machine alone and run
                  more rounds (--reps)
        ");
    }
}
