//! A server that keeps a timetable and writes down when it really wrote: one thread, one event loop.
//!
//! It never spins, so that it takes no processor from the client; being late does not matter, because the
//! truth is what it wrote down. It numbers its answers in the prompt tokens of their usage, by which a test
//! finds the truth of each request. Linux only: the loop waits with the precision of nanoseconds.

use rustix::event::{Timespec, epoll};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const ROLE: &str = r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#;
const TOKEN: &str = r#"{"choices":[{"delta":{"content":" x"}}]}"#;
const LISTENER: u64 = u64::MAX;

/// When what is sent.
#[derive(Clone, Copy, Debug)]
pub struct Timetable {
    /// First token after the request.
    pub first: Duration,
    /// Between two tokens.
    pub gap: Duration,
    /// Tokens.
    pub tokens: u32,
    /// After this long since the start, the server stands still for so long.
    pub freeze: Option<(Duration, Duration)>,
}

/// What the server really did with one request.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// The request was there.
    pub received: Instant,
    /// The first token was about to be written.
    pub first: Instant,
    /// The last token was about to be written.
    pub last: Instant,
}

struct Connection {
    stream: TcpStream,
    /// Of the request that is being answered: its number, its truth and its tokens so far.
    number: usize,
    truth: Truth,
    sent: u32,
}

struct Server {
    table: Timetable,
    poll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Connection>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    requests: usize,
    freeze: Option<(Instant, Duration)>,
    ended: Sender<(usize, Truth)>,
}

/// Starts a server; the truth of each request comes when it has been answered.
pub fn serve(table: Timetable) -> (SocketAddr, Receiver<(usize, Truth)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a poll");
    epoll::add(&poll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN).expect("added");
    let (ended, truths) = channel();
    let (connections, due) = (Vec::new(), BinaryHeap::new());
    let mut server = Server { table, poll, listener, connections, due, requests: 0, freeze: None, ended };
    std::thread::spawn(move || while server.turn().is_some() {});
    (address, truths)
}

impl Server {
    /// One turn of the loop; `None` where nobody wants the truth any more.
    fn turn(&mut self) -> Option<()> {
        let mut events = Vec::with_capacity(1024);
        let wait = self.due.peek().map_or(Duration::from_millis(100), |Reverse((at, _))| {
            at.saturating_duration_since(Instant::now())
        });
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let waited = epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait));
        waited.or_else(|error| if error == rustix::io::Errno::INTR { Ok(0) } else { Err(error) }).ok()?;
        self.stand_still();
        let mut asked = Vec::new();
        for event in &events {
            match event.data.u64() {
                LISTENER => self.accept(),
                index => asked.extend(self.read(index as usize)),
            }
        }
        // First the times of all that is there, then what takes long.
        for index in asked {
            let _ = self.connections[index].stream.write_all(&[HEAD, &chunk(ROLE)].concat());
        }
        while let Some(Reverse((at, index))) = self.due.peek().copied() {
            if at > Instant::now() {
                break;
            }
            self.due.pop();
            self.token(index)?;
        }
        Some(())
    }

    fn stand_still(&mut self) {
        if let Some((_, length)) = self.freeze.take_if(|(at, _)| *at <= Instant::now()) {
            std::thread::sleep(length);
        }
    }

    fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else { return };
        stream.set_nodelay(true).expect("no delay");
        let data = epoll::EventData::new_u64(self.connections.len() as u64);
        epoll::add(&self.poll, &stream, data, epoll::EventFlags::IN).expect("added");
        let now = Instant::now();
        if let (0, Some((after, length))) = (self.connections.len(), self.table.freeze) {
            self.freeze = Some((now + after, length));
        }
        let truth = Truth { received: now, first: now, last: now };
        self.connections.push(Connection { stream, number: 0, truth, sent: 0 });
    }

    /// Requests of tests are short and come whole.
    fn read(&mut self, index: usize) -> Option<usize> {
        let connection = &mut self.connections[index];
        let count = connection.stream.read(&mut [0; 16 << 10]).unwrap_or(0);
        let received = Instant::now();
        if count == 0 {
            let _ = epoll::delete(&self.poll, &connection.stream);
            return None;
        }
        self.requests += 1;
        connection.number = self.requests;
        connection.sent = 0;
        connection.truth.received = received;
        self.due.push(Reverse((received + self.table.first, index)));
        Some(index)
    }

    fn token(&mut self, index: usize) -> Option<()> {
        let connection = &mut self.connections[index];
        connection.sent += 1;
        let mut bytes = chunk(TOKEN);
        let last = connection.sent == self.table.tokens;
        if last {
            bytes.extend(end(connection.number, connection.sent));
        }
        let at = Instant::now();
        connection.truth.last = at;
        if connection.sent == 1 {
            connection.truth.first = at;
        }
        // The truth is told before the client can have seen the end, so that whoever saw it finds the truth.
        if last {
            self.ended.send((connection.number, connection.truth)).ok()?;
        }
        let _ = connection.stream.write_all(&bytes);
        if last {
            return Some(());
        }
        let next = connection.truth.received + self.table.first + self.table.gap * connection.sent;
        self.due.push(Reverse((next, index)));
        Some(())
    }
}

fn end(number: usize, tokens: u32) -> Vec<u8> {
    let usage = format!(
        r#"{{"choices":[{{"delta":{{}},"finish_reason":"length"}}],"usage":{{"prompt_tokens":{number},"completion_tokens":{tokens}}}}}"#
    );
    [chunk(&usage), chunk("[DONE]"), b"0\r\n\r\n".to_vec()].concat()
}

fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8).into_bytes()
}
