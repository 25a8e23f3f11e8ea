//! What every connection passes before its first request: a cap on open connections, an answer to those that speak
//! plain HTTP where TLS is spoken, and an end to clients that do not read what they asked for.

use axum_server::accept::Accept;
use std::collections::HashMap;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

/// Most open connections: below the 1,024 files that a process may usually open.
const MOST: usize = 512;
/// Most open connections of one client.
const MOST_EACH: usize = 256;
/// Time for a client to take a piece of an answer.
const READING: Duration = Duration::from_secs(30);
/// Time for the first byte where TLS is spoken.
const GREETING: Duration = Duration::from_secs(10);
/// Time to tell a client that it is not let in.
const FAREWELL: Duration = Duration::from_secs(1);
/// First byte of TLS: a handshake record.
const HANDSHAKE: u8 = 22;

/// Lets connections in.
#[derive(Clone)]
pub struct Door {
    /// TLS is spoken behind it.
    pub tls: bool,
    /// All clients come from one proxy.
    pub proxied: bool,
    /// Open connections of each client.
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place that a connection takes, until it is dropped.
struct Seat {
    client: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Door {
    pub fn new(tls: bool, proxied: bool) -> Self {
        Self { tls, proxied, open: Arc::default() }
    }

    /// A place for `client`, where there is one.
    fn seat(&self, client: IpAddr) -> Option<Seat> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&client).copied().unwrap_or(0);
        let most_each = if self.proxied { MOST } else { MOST_EACH };
        if own >= most_each || open.values().sum::<usize>() >= MOST {
            return None;
        }
        open.insert(client, own + 1);
        Some(Seat { client, open: self.open.clone() })
    }

    async fn let_in(self, stream: TcpStream) -> Result<Guest> {
        let client = stream.peer_addr()?.ip();
        let Some(seat) = self.seat(client) else {
            return Err(turn_away(stream, 503, "too many connections are open: try again").await);
        };
        if self.tls && !speaks_tls(&stream).await? {
            return Err(turn_away(stream, 400, "this port speaks TLS: use https://").await);
        }
        stream.set_nodelay(true)?;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(READING));
        Ok(Guest { stream: Box::pin(stream), _seat: seat })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.client);
            }
        }
    }
}

async fn speaks_tls(stream: &TcpStream) -> Result<bool> {
    let mut first = [0];
    let looked = tokio::time::timeout(GREETING, stream.peek(&mut first)).await;
    looked.map_err(|_| Error::from(ErrorKind::TimedOut))??;
    Ok(first[0] == HANDSHAKE)
}

/// Says why in plain HTTP, which a client that speaks TLS does not read, and closes.
async fn turn_away(mut stream: TcpStream, status: u16, reason: &str) -> Error {
    let answer = format!(
        "HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reason}\n",
        reason.len() + 1
    );
    let saying = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // To close with something unread would take the answer back.
        let mut unread = [0; 4096];
        while stream.read(&mut unread).await? > 0 {}
        Result::Ok(())
    };
    let _ = tokio::time::timeout(FAREWELL, saying).await;
    Error::new(ErrorKind::ConnectionRefused, reason)
}

impl<S: Send + 'static> Accept<TcpStream, S> for Door {
    type Stream = Guest;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = Result<(Guest, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let letting_in = self.clone().let_in(stream);
        Box::pin(async move { Ok((letting_in.await?, service)) })
    }
}

/// A connection that was let in.
pub struct Guest {
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    _seat: Seat,
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.stream.as_mut().poll_read(context, into)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_cannot_take_all_places() {
        let door = Door::new(false, false);
        let client = |number: u8| IpAddr::from([192, 0, 2, number]);
        let seats: Vec<Seat> = std::iter::from_fn(|| door.seat(client(1))).collect();
        assert_eq!(seats.len(), MOST_EACH);
        let others: Vec<Seat> = std::iter::from_fn(|| door.seat(client(2))).collect();
        assert_eq!(others.len(), MOST - MOST_EACH);
        assert!(door.seat(client(3)).is_none());
        drop(seats);
        assert!(door.seat(client(3)).is_some());
        drop(others);
        assert!(door.open.lock().unwrap().is_empty());
    }

    #[test]
    fn a_proxy_may_take_all_places() {
        let door = Door::new(false, true);
        let seats: Vec<Seat> = std::iter::from_fn(|| door.seat(IpAddr::from([192, 0, 2, 1]))).collect();
        assert_eq!(seats.len(), MOST);
    }
}
