//! A server that answers as fast as it can: the counterpart of `benches/clients.sh`.
//!
//! `null_server PORT burst` hands each response to the system in one piece; `null_server PORT each` writes
//! each token by itself, as servers do that flush after a token. The events are those of a chat server:
//! role, one token an event and an HTTP chunk, usage, end mark. Thread per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let port = args.next().and_then(|port| port.parse().ok()).unwrap_or(8199);
    let each = args.next().as_deref() == Some("each");
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            // A client that goes away is no error here.
            let _ = serve(stream, each);
        });
    }
    Ok(())
}

/// Answers one request after the other.
fn serve(stream: TcpStream, each: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut rendered = (0, String::new(), Vec::new());
    while let Some((path, body)) = request(&mut reader)? {
        if !path.contains("completions") {
            writer.write_all(&plain(&path))?;
            continue;
        }
        let tokens = number(&body, "max_tokens").or(number(&body, "max_completion_tokens")).unwrap_or(16);
        if (rendered.0, rendered.1.as_str()) != (tokens, path.as_str()) {
            rendered = (tokens, path.clone(), response(&path, tokens));
        }
        let prompt = body.split_ascii_whitespace().count();
        let parts = rendered.2.iter().map(Vec::as_slice);
        let end = end(prompt, tokens);
        if each {
            parts.chain([end.as_slice()]).try_for_each(|part| writer.write_all(part))?;
        } else {
            writer.write_all(&parts.chain([end.as_slice()]).collect::<Vec<_>>().concat())?;
        }
    }
    Ok(())
}

/// Path and body of the next request; `None` where the connection ends.
fn request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, String)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let head = line.trim_end().to_ascii_lowercase();
        if head.is_empty() {
            break;
        }
        if let Some(value) = head.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((path, String::from_utf8_lossy(&body).into_owned())))
}

/// Value of a number in a JSON text, found by its name.
fn number(body: &str, name: &str) -> Option<usize> {
    let (_, after) = body.split_once(&format!("\"{name}\":"))?;
    let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn plain(path: &str) -> Vec<u8> {
    let (status, body) = match path {
        "/v1/models" => {
            ("200 OK", r#"{"object":"list","data":[{"id":"null","object":"model","owned_by":"nobody"}]}"#)
        }
        "/health" => ("200 OK", "{}"),
        _ => ("404 Not Found", "{}"),
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

/// Head, role and tokens, each by itself.
fn response(path: &str, tokens: usize) -> Vec<Vec<u8>> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
    let chat = path.contains("chat");
    let mut parts = vec![head.as_bytes().to_vec()];
    if chat {
        parts.push(event(&choice(chat, r#""delta":{"role":"assistant","content":""}"#, "null")));
    }
    let text = if chat { r#""delta":{"content":" token"}"# } else { r#""text":" token""# };
    let last = tokens.saturating_sub(1);
    parts.extend(
        (0..tokens)
            .map(|index| event(&choice(chat, text, if index == last { "\"length\"" } else { "null" }))),
    );
    parts
}

fn choice(chat: bool, text: &str, finish: &str) -> String {
    let object = if chat { "chat.completion.chunk" } else { "text_completion" };
    format!(
        r#"{{"id":"cmpl-5f3c9a7e1b2d4c6f","object":"{object}","created":1764000000,"model":"null","choices":[{{"index":0,{text},"logprobs":null,"finish_reason":{finish}}}]}}"#
    )
}

fn end(prompt: usize, tokens: usize) -> Vec<u8> {
    let usage = format!(
        r#"{{"id":"cmpl-5f3c9a7e1b2d4c6f","object":"chat.completion.chunk","created":1764000000,"model":"null","choices":[],"usage":{{"prompt_tokens":{prompt},"total_tokens":{},"completion_tokens":{tokens}}}}}"#,
        prompt + tokens
    );
    [event(&usage), event("[DONE]"), b"0\r\n\r\n".to_vec()].concat()
}

fn event(data: &str) -> Vec<u8> {
    format!("{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8).into_bytes()
}
