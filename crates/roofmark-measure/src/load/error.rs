//! Errors of the load generator: what keeps a run from starting. A failed request is no error but a record.

use std::io;

/// Why a load test could not run. Each completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not an address.
    #[error("failed to read the address `{url}`: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name does not resolve.
    #[error("failed to find the host `{host}`")]
    Resolve {
        /// Name.
        host: String,
        /// Cause.
        source: io::Error,
    },
    /// Certificates or names that TLS cannot use.
    #[error("failed to set up TLS: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
    /// A key with characters that no key has.
    #[error("failed to use the API key: it is empty or has spaces or control characters")]
    Key,
    /// The operating system's poll failed.
    #[error("failed to wait for the network")]
    Poll(#[source] io::Error),
    /// A probing request failed.
    #[error("failed to ask {path}: {reason}")]
    Probe {
        /// Path of the request.
        path: String,
        /// What happened.
        reason: String,
    },
    /// A line of a trace cannot be read.
    #[error("failed to read line {line} of the {form} trace: {reason}")]
    Trace {
        /// Form.
        form: &'static str,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A setting that cannot be.
    #[error("failed to use `{value}` as {field}: {reason}")]
    Setting {
        /// Which.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is wrong.
        reason: String,
    },
}
