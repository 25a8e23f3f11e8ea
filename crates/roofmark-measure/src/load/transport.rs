//! A connection, plain or encrypted, that never blocks.

use super::target::Target;
use mio::net::TcpStream;
use roofmark_facts::load_record::Trouble;
use std::io::{self, Read, Write};

/// A non-blocking connection.
pub enum Transport {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Transport {
    /// Begins to connect.
    pub fn connect(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address)?;
        match &target.tls {
            None => Ok(Self::Plain(stream)),
            Some((config, name)) => {
                let session =
                    rustls::ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
                Ok(Self::Tls(Box::new(rustls::StreamOwned::new(session, stream))))
            }
        }
    }

    /// The socket, for registration.
    pub fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    /// Whether the connection stands; an error if it failed.
    pub fn connected(&mut self) -> io::Result<bool> {
        let socket = self.socket();
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => socket.set_nodelay(true).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The encryption is not agreed on yet.
    pub fn is_handshaking(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.conn.is_handshaking())
    }

    /// A short read means that nothing is left, so the next one can be spared. Not so with TLS, whose
    /// records do not follow the reads, nor where readiness comes only after a blocked read.
    pub fn short_read_drains(&self) -> bool {
        matches!(self, Self::Plain(_)) && cfg!(unix)
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// The kind of an error of the network.
#[must_use]
pub fn trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Trouble::Refused,
        io::ErrorKind::InvalidData => Trouble::Tls,
        _ if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) => {
            Trouble::Tls
        }
        _ => Trouble::Unreachable,
    }
}
