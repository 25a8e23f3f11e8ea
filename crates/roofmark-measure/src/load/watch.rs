//! What a screen sees of a running cell, and how it is stopped.

use roofmark_facts::load_record::RequestRecord;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters that the loop raises and a screen reads.
#[derive(Debug, Default)]
pub struct Watch {
    stopped: AtomicBool,
    sent: AtomicU64,
    ended: AtomicU64,
    failed: AtomicU64,
    chunks: AtomicU64,
    ttft_micros: AtomicU64,
    ttft_count: AtomicU64,
}

/// A reading of a [`Watch`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Requests sent.
    pub sent: u64,
    /// Requests ended.
    pub ended: u64,
    /// Of those, failed.
    pub failed: u64,
    /// Chunks with text.
    pub chunks: u64,
    /// Sum of times to the first token in microseconds.
    pub ttft_micros: u64,
    /// How many they are.
    pub ttft_count: u64,
}

impl Watch {
    /// Stops the cell: what runs is given up, what ended is kept.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Somebody wants it to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            sent: self.sent.load(Relaxed),
            ended: self.ended.load(Relaxed),
            failed: self.failed.load(Relaxed),
            chunks: self.chunks.load(Relaxed),
            ttft_micros: self.ttft_micros.load(Relaxed),
            ttft_count: self.ttft_count.load(Relaxed),
        }
    }

    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(super) fn progress(&self, chunks: u32) {
        self.chunks.fetch_add(u64::from(chunks), Relaxed);
    }

    pub(super) fn ended(&self, record: &RequestRecord) {
        self.ended.fetch_add(1, Relaxed);
        self.failed.fetch_add(u64::from(record.failure.is_some()), Relaxed);
        if let Some(ttft) = record.ttft() {
            self.ttft_micros.fetch_add((ttft.get() * 1e6) as u64, Relaxed);
            self.ttft_count.fetch_add(1, Relaxed);
        }
    }
}
