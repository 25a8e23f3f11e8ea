//! A wake-up at a point in time, finer than the poll's own millisecond.

use mio::{Registry, Token};
use std::io;
use std::time::{Duration, Instant};

/// Wakes a poll.
pub struct Timer {
    #[cfg(target_os = "linux")]
    descriptor: rustix::fd::OwnedFd,
    #[cfg(target_os = "linux")]
    armed: Option<Instant>,
}

impl Timer {
    /// Token of its events.
    pub const TOKEN: Token = Token(usize::MAX);

    /// Registers the timer.
    #[cfg(target_os = "linux")]
    pub fn new(registry: &Registry) -> io::Result<Self> {
        use rustix::fd::AsRawFd;
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let descriptor =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let raw = descriptor.as_raw_fd();
        registry.register(&mut mio::unix::SourceFd(&raw), Self::TOKEN, mio::Interest::READABLE)?;
        Ok(Self { descriptor, armed: None })
    }

    /// Sets the wake-up and returns how long the poll may wait.
    #[cfg(target_os = "linux")]
    pub fn arm(&mut self, due: Option<Instant>, longest: Duration) -> Duration {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let Some(due) = due.filter(|due| self.armed != Some(*due)) else { return longest };
        let left = due.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let value = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let set = timerfd_settime(
            &self.descriptor,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: interval, it_value: value },
        );
        self.armed = set.is_ok().then_some(due);
        longest
    }

    /// The wake-up came.
    #[cfg(target_os = "linux")]
    pub fn clear(&mut self) {
        self.armed = None;
        // Level is reset by the read; a blocked read means that it was.
        let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
    }

    /// Elsewhere the last millisecond is spent polling.
    #[cfg(not(target_os = "linux"))]
    pub fn new(_: &Registry) -> io::Result<Self> {
        Ok(Self {})
    }

    /// How long the poll may wait: whole milliseconds, then not at all.
    #[cfg(not(target_os = "linux"))]
    pub fn arm(&mut self, due: Option<Instant>, longest: Duration) -> Duration {
        let Some(due) = due else { return longest };
        let left = due.saturating_duration_since(Instant::now()).min(longest);
        Duration::from_millis((left.as_millis() as u64).saturating_sub(1))
    }

    /// Nothing to clear.
    #[cfg(not(target_os = "linux"))]
    pub fn clear(&mut self) {}
}
