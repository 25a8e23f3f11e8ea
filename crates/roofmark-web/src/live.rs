//! A running bench as a stream of events: the bench appends lines to a file, the page follows it.

use crate::serve::Site;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use roofmark_facts::units::TokensPerSecond;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Folder below the user's data where a bench writes.
pub const FOLDER: &str = "live";
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// Most bytes that are read at one look.
const MOST: u64 = 1 << 20;
/// Age at which a file is of no running bench.
const STALE: Duration = Duration::from_secs(600);

/// A line of the file: what a bench does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Progress {
    /// It begins.
    Started {
        /// Model and quantization.
        model: String,
        /// Protocol.
        protocol: String,
        /// UTC time.
        date: String,
    },
    /// It does something that takes a while.
    Doing {
        /// What.
        text: String,
    },
    /// A sample was taken.
    Sampled {
        /// Samples so far.
        done: u32,
        /// Samples planned.
        planned: u32,
        /// What was timed.
        workload: String,
        /// Layers of the part that ran.
        layers: u32,
        /// Its rate.
        rate: TokensPerSecond,
    },
    /// Something failed; the rest goes on.
    Failed {
        /// What.
        reason: String,
    },
    /// It is over.
    Finished {
        /// Where the result is kept, or why it is not.
        text: String,
    },
}

/// The stream. It begins with all lines of the newest bench.
pub async fn events(State(site): State<Arc<Site>>) -> Response {
    let Some(folder) = site.program.live_folder() else {
        return (StatusCode::NOT_FOUND, "this server follows no bench\n").into_response();
    };
    let Ok(permit) = Arc::clone(&site).listeners_permit() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many listeners\n").into_response();
    };
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Event, Infallible>>(64);
    tokio::spawn(async move {
        let _permit = permit;
        let mut follower = Follower { folder, file: None, at: 0 };
        loop {
            let (back, lines) = match tokio::task::spawn_blocking(move || follower.look()).await {
                Ok(found) => found,
                Err(_) => return,
            };
            follower = back;
            for event in lines {
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            if sender.is_closed() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    let stream = Receiver(receiver);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

impl Site {
    fn listeners_permit(self: Arc<Self>) -> Result<impl Send, ()> {
        // A permit that owns its site: the semaphore lives as long as the stream.
        self.listeners.try_acquire().map_err(drop)?.forget();
        Ok(Listening(self))
    }
}

struct Listening(Arc<Site>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listeners.add_permits(1);
    }
}

struct Receiver(tokio::sync::mpsc::Receiver<Result<Event, Infallible>>);

impl futures_core::Stream for Receiver {
    type Item = Result<Event, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Follows the newest file of a folder.
struct Follower {
    folder: PathBuf,
    file: Option<PathBuf>,
    at: u64,
}

impl Follower {
    /// New lines as events, after an event `bench` where another bench has begun.
    fn look(mut self) -> (Self, Vec<Event>) {
        let mut events = Vec::new();
        let newest = newest(&self.folder);
        if newest.is_some() && newest != self.file {
            self.file = newest;
            self.at = 0;
            events.push(Event::default().event("bench").data("{}"));
        }
        let Some(path) = &self.file else { return (self, events) };
        let (lines, at) = new_lines(path, self.at);
        self.at = at;
        // Only lines of the known form are passed on.
        let known = lines.iter().filter_map(|line| serde_json::from_str::<Progress>(line).ok());
        events
            .extend(known.filter_map(|progress| Event::default().event("progress").json_data(progress).ok()));
        (self, events)
    }
}

fn newest(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let files = entries.flatten().filter_map(|entry| {
        let changed = entry.metadata().ok().filter(std::fs::Metadata::is_file)?.modified().ok()?;
        let fresh = SystemTime::now().duration_since(changed).is_ok_and(|age| age < STALE);
        let ours = entry.path().extension().is_some_and(|ending| ending == "jsonl");
        (fresh && ours).then(|| (changed, entry.path()))
    });
    files.max().map(|(_, path)| path)
}

/// Whole lines after `at`, and where the next begins.
fn new_lines(path: &Path, at: u64) -> (Vec<String>, u64) {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else { return (Vec::new(), at) };
    let text = String::from_utf8_lossy(&bytes[..=end]);
    (text.lines().map(str::to_owned).collect(), at + end as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.jsonl");
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        let (lines, at) = new_lines(&path, 0);
        assert_eq!((lines, at), (vec!["one".to_owned(), "two".to_owned()], 8));
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(new_lines(&path, at), (vec!["three".to_owned()], 14));
        assert_eq!(newest(folder.path()), Some(path));
    }
}
