//! The event loop that sends requests when they are due and reads what comes back.
//!
//! One thread, edge-triggered readiness, no runtime: a runtime's timer ticks at a millisecond, and a
//! schedule needs a finer one. On Linux a timer descriptor wakes the loop at the due time.

use super::LoadError;
use super::exchange::{Exchange, Nanos, Step, failure, seconds};
use super::limits::Timeouts;
use super::target::Target;
use super::timer::Timer;
use super::transport::{Transport, trouble};
use super::watch::Watch;
use mio::{Events, Interest, Poll, Token};
use roofmark_facts::load_record::{ClientUse, Failure, RequestRecord, Trouble};
use roofmark_facts::units::{Bytes, Seconds};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Bytes read at once.
const READ: usize = 64 << 10;
/// How often deadlines are looked at.
const HOUSEKEEPING: Duration = Duration::from_millis(20);
/// After the end mark, the rest of the framing is waited for this long.
const GRACE: Nanos = 1_000_000_000;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Job {
    /// When it is due; `None` for now, as in a closed loop.
    pub due: Option<Nanos>,
    /// Bytes of the request.
    pub bytes: Vec<u8>,
    /// Prompt tokens aimed at.
    pub prompt: u32,
    /// Output tokens asked for.
    pub output: u32,
    /// Conversation and turn.
    pub turn: Option<(u32, u32)>,
    /// Keep the answer, for the next turn.
    pub keep_text: bool,
}

/// What a source has.
#[derive(Debug)]
pub enum Next {
    /// A request, due now or later.
    Job(Job),
    /// Nothing until a request ends.
    Wait,
    /// Nothing until this time, unless a request ends before.
    Until(Nanos),
    /// Nothing any more.
    Finished,
}

/// Where requests come from.
pub trait Source {
    /// The next request, given the time and the requests in flight.
    fn next(&mut self, now: Nanos, in_flight: usize) -> Next;
    /// A request has ended; `text` is its answer where it was kept.
    fn ended(&mut self, record: &RequestRecord, text: Option<&str>);
}

/// What a run of the loop gave.
#[derive(Debug)]
pub struct Driven {
    /// The requests, in the order they were sent.
    pub requests: Vec<RequestRecord>,
    /// When the last arrival was due.
    pub arrivals_end: Seconds,
    /// When the loop ended.
    pub ended: Seconds,
    /// Resources of the loop's thread.
    pub client: ClientUse,
    /// It was stopped.
    pub interrupted: bool,
}

struct Active {
    exchange: Exchange,
    record: RequestRecord,
    order: usize,
    bytes: Vec<u8>,
    written: usize,
    keep_text: bool,
    retried: bool,
}

struct Connection {
    transport: Transport,
    connected: bool,
    /// It has carried a response before.
    used: bool,
    active: Option<Active>,
}

struct Loop<'a> {
    target: &'a Target,
    timeouts: Timeouts,
    watch: &'a Watch,
    poll: Poll,
    start: Instant,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    idle: Vec<usize>,
    in_flight: usize,
    sent: usize,
    finished: Vec<(usize, RequestRecord)>,
    received: u64,
    buffer: Box<[u8]>,
}

/// Sends what `source` gives to `target` until it is finished and the last request has ended.
pub fn drive(
    target: &Target,
    timeouts: Timeouts,
    source: &mut dyn Source,
    watch: &Watch,
    start: Instant,
) -> Result<Driven, LoadError> {
    let poll = Poll::new().map_err(LoadError::Poll)?;
    let mut state = Loop {
        target,
        timeouts,
        watch,
        poll,
        start,
        connections: Vec::new(),
        free: Vec::new(),
        idle: Vec::new(),
        in_flight: 0,
        sent: 0,
        finished: Vec::new(),
        received: 0,
        buffer: vec![0; READ].into_boxed_slice(),
    };
    let cpu = super::clock::thread_cpu();
    let (arrivals_end, interrupted) = state.run(source)?;
    let used = super::clock::thread_cpu() - cpu;
    let mut finished = state.finished;
    finished.sort_by_key(|(order, _)| *order);
    let ended = seconds(start.elapsed().as_nanos() as Nanos);
    let client = ClientUse {
        cpu: used,
        wall: ended,
        peak_memory: super::clock::peak_memory(),
        received: Bytes(state.received as f64),
        ..ClientUse::default()
    };
    let requests = finished.into_iter().map(|(_, record)| record).collect();
    Ok(Driven { requests, arrivals_end: seconds(arrivals_end), ended, client, interrupted })
}

impl Loop<'_> {
    fn now(&self) -> Nanos {
        self.start.elapsed().as_nanos() as Nanos
    }

    fn run(&mut self, source: &mut dyn Source) -> Result<(Nanos, bool), LoadError> {
        let mut timer = Timer::new(self.poll.registry()).map_err(LoadError::Poll)?;
        let mut events = Events::with_capacity(1024);
        let mut pending: Option<Job> = None;
        let mut arrivals_end = 0;
        let mut open = true;
        let mut checked = 0;
        loop {
            let now = self.now();
            if self.watch.is_stopped() {
                self.give_up(Trouble::Interrupted, now, source);
                return Ok((arrivals_end.min(now).max(1), true));
            }
            let mut again = None;
            while open || pending.is_some() {
                if pending.is_none() {
                    match source.next(self.now(), self.in_flight) {
                        Next::Job(job) => pending = Some(job),
                        Next::Wait => break,
                        Next::Until(at) => {
                            again = Some(at);
                            break;
                        }
                        Next::Finished => {
                            open = false;
                            break;
                        }
                    }
                }
                let now = self.now();
                let Some(job) = pending.take_if(|job| job.due.is_none_or(|due| due <= now)) else { break };
                arrivals_end = job.due.unwrap_or(now);
                self.send(job, now, source);
            }
            if !open && pending.is_none() && self.in_flight == 0 {
                return Ok((arrivals_end, false));
            }
            let due = pending.as_ref().and_then(|job| job.due).or(again);
            let wait = timer.arm(due.map(|due| self.start + Duration::from_nanos(due)), HOUSEKEEPING);
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other.map_err(LoadError::Poll)?,
            }
            for event in &events {
                if event.token() == Timer::TOKEN {
                    timer.clear();
                } else {
                    let closed = event.is_read_closed() || event.is_error();
                    self.ready(event.token().0, event.is_readable(), closed, source);
                }
            }
            let now = self.now();
            if now - checked > HOUSEKEEPING.as_nanos() as Nanos {
                checked = now;
                self.check_deadlines(now, source);
            }
        }
    }

    fn send(&mut self, job: Job, now: Nanos, source: &mut dyn Source) {
        let record = RequestRecord {
            scheduled: seconds(job.due.unwrap_or(now)),
            sent: seconds(now),
            prompt_nominal: job.prompt,
            output_asked: job.output,
            turn: job.turn,
            ..RequestRecord::default()
        };
        let active = Active {
            exchange: Exchange::new(now, job.output, job.keep_text),
            record,
            order: self.sent,
            bytes: job.bytes,
            written: 0,
            keep_text: job.keep_text,
            retried: false,
        };
        self.sent += 1;
        self.in_flight += 1;
        self.watch.sent();
        self.dispatch(active, source);
    }

    fn dispatch(&mut self, mut active: Active, source: &mut dyn Source) {
        if let Some(slot) = self.idle.pop() {
            if let Some(connection) = &mut self.connections[slot] {
                connection.active = Some(active);
            }
            self.write(slot, source);
            return;
        }
        active.record.new_connection = true;
        match self.connect(active) {
            Ok(Some(slot)) => self.write(slot, source),
            Ok(None) => {}
            Err((active, error)) => {
                self.fail_active(*active, &failure(trouble(&error), Some(&error.to_string())), source);
            }
        }
    }

    /// Begins to connect; returns the connection's place where it stands already.
    fn connect(&mut self, active: Active) -> Result<Option<usize>, (Box<Active>, io::Error)> {
        // On the same machine the connection stands at once: what waits for the poll would be late.
        let begun = Transport::connect(self.target)
            .and_then(|mut transport| transport.connected().map(|connected| (transport, connected)));
        let (mut transport, connected) = match begun {
            Ok(begun) => begun,
            Err(error) => return Err((Box::new(active), error)),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(transport.socket(), Token(slot), interest) {
            self.free.push(slot);
            return Err((Box::new(active), error));
        }
        self.connections[slot] = Some(Connection { transport, connected, used: false, active: Some(active) });
        Ok(if connected { Some(slot) } else { None })
    }

    fn ready(&mut self, slot: usize, readable: bool, closed: bool, source: &mut dyn Source) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if !connection.connected {
            match connection.transport.connected() {
                Ok(true) => connection.connected = true,
                Ok(false) => return,
                Err(error) => return self.broken(slot, &error, source),
            }
        }
        self.write(slot, source);
        if readable || closed {
            self.read(slot, closed, source);
        }
    }

    fn write(&mut self, slot: usize, source: &mut dyn Source) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let Some(active) = &mut connection.active else { return };
        while active.written < active.bytes.len() {
            match connection.transport.write(&active.bytes[active.written..]) {
                Ok(count) => active.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken(slot, &error, source),
            }
        }
        if let Err(error) = connection.transport.flush()
            && error.kind() != io::ErrorKind::WouldBlock
        {
            self.broken(slot, &error, source);
        }
    }

    fn read(&mut self, slot: usize, closed: bool, source: &mut dyn Source) {
        loop {
            let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
            let read = connection.transport.read(&mut self.buffer);
            let at = self.start.elapsed().as_nanos() as Nanos;
            let count = match read {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // TLS without a farewell is how most servers close.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return self.broken(slot, &error, source),
            };
            let Some(active) = &mut connection.active else {
                return self.drop_connection(slot);
            };
            if count == 0 {
                return self.closed(slot, at, source);
            }
            self.received += count as u64;
            let had = (active.exchange.chunks(), active.exchange.first());
            let step = active.exchange.feed(&self.buffer[..count], at);
            self.watch.progress(active.exchange.chunks() - had.0);
            let drained = count < self.buffer.len() && !closed && connection.transport.short_read_drains();
            match step {
                Ok(Step::More) if drained => return,
                Ok(Step::More) => {}
                Ok(Step::Done) => return self.succeed(slot, at, closed, source),
                Err(found) => return self.fail(slot, &found, source),
            }
        }
    }

    fn closed(&mut self, slot: usize, at: Nanos, source: &mut dyn Source) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let Some(active) = &mut connection.active else { return self.drop_connection(slot) };
        if !active.exchange.has_begun() && connection.used && !active.retried {
            return self.retry(slot, source);
        }
        if connection.transport.is_handshaking() {
            return self.fail(slot, &failure(Trouble::Tls, Some("closed in the handshake")), source);
        }
        match active.exchange.close(at) {
            Ok(_) => self.succeed(slot, at, true, source),
            Err(found) => self.fail(slot, &found, source),
        }
    }

    fn broken(&mut self, slot: usize, error: &io::Error, source: &mut dyn Source) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let Some(active) = &connection.active else { return self.drop_connection(slot) };
        if !active.exchange.has_begun() && connection.used && !active.retried {
            return self.retry(slot, source);
        }
        let kind = if active.exchange.has_begun() && trouble(error) == Trouble::Unreachable {
            Trouble::Truncated
        } else if connection.connected && connection.transport.is_handshaking() {
            Trouble::Tls
        } else {
            trouble(error)
        };
        self.fail(slot, &failure(kind, Some(&error.to_string())), source);
    }

    /// A connection that the server closed while it lay idle is no failure of the request.
    fn retry(&mut self, slot: usize, source: &mut dyn Source) {
        let active = self.connections[slot].as_mut().and_then(|connection| connection.active.take());
        self.drop_connection(slot);
        if let Some(mut active) = active {
            active.retried = true;
            active.written = 0;
            self.dispatch(active, source);
        }
    }

    /// `closed`: the server has closed its side, which is told once only.
    fn succeed(&mut self, slot: usize, at: Nanos, closed: bool, source: &mut dyn Source) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let Some(mut active) = connection.active.take() else { return };
        connection.used = true;
        if active.exchange.reusable() && !closed {
            self.idle.push(slot);
        } else {
            self.drop_connection(slot);
        }
        active.record.ended = seconds(at);
        self.finish(active, source);
    }

    fn fail(&mut self, slot: usize, found: &Failure, source: &mut dyn Source) {
        let active = self.connections[slot].as_mut().and_then(|connection| connection.active.take());
        self.drop_connection(slot);
        if let Some(active) = active {
            self.fail_active(active, found, source);
        }
    }

    fn fail_active(&mut self, mut active: Active, found: &Failure, source: &mut dyn Source) {
        active.record.ended = seconds(self.now());
        active.record.failure = Some(found.clone());
        self.finish(active, source);
    }

    fn finish(&mut self, mut active: Active, source: &mut dyn Source) {
        active.exchange.write(&mut active.record);
        let text = if active.keep_text { active.exchange.take_text() } else { None };
        self.in_flight -= 1;
        self.watch.ended(&active.record);
        source.ended(&active.record, text.as_deref());
        self.finished.push((active.order, active.record));
    }

    fn drop_connection(&mut self, slot: usize) {
        if let Some(mut connection) = self.connections[slot].take() {
            // A socket that cannot be deregistered is closed with its descriptor all the same.
            let _ = self.poll.registry().deregister(connection.transport.socket());
            self.idle.retain(|idle| *idle != slot);
            self.free.push(slot);
        }
    }

    fn check_deadlines(&mut self, now: Nanos, source: &mut dyn Source) {
        for slot in 0..self.connections.len() {
            let Some(Some(connection)) = self.connections.get(slot) else { continue };
            let Some(active) = &connection.active else { continue };
            if active.exchange.has_ended() && now > active.exchange.progress + GRACE {
                // The answer is whole; only the framing's end never came.
                self.closed(slot, now, source);
                continue;
            }
            if let Some(kind) = self.overdue(connection, active, now) {
                self.fail(slot, &failure(kind, None), source);
            }
        }
    }

    fn overdue(&self, connection: &Connection, active: &Active, now: Nanos) -> Option<Trouble> {
        let sent = (active.record.sent.get() * 1e9) as Nanos;
        let past = |from: Nanos, limit: Duration| now.saturating_sub(from) > limit.as_nanos() as Nanos;
        if past(sent, self.timeouts.total) {
            return Some(Trouble::Deadline);
        }
        if active.exchange.has_begun() && past(active.exchange.progress, self.timeouts.idle) {
            return Some(Trouble::IdleTimeout);
        }
        (active.written == 0 && !connection.connected && past(sent, self.timeouts.connect))
            .then_some(Trouble::ConnectTimeout)
    }

    fn give_up(&mut self, kind: Trouble, _now: Nanos, source: &mut dyn Source) {
        for slot in 0..self.connections.len() {
            if self.connections[slot].is_some() {
                self.fail(slot, &failure(kind, None), source);
            }
        }
    }
}
