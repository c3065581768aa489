//! A server that responds as a test requires, and records requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request: the path and the start of the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) from: Option<u64>,
    pub(crate) authorization: Option<String>,
}

/// A response: the head without the empty line, the body, and the number of body bytes after which the connection
/// breaks off.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) breaks_after: Option<usize>,
}

impl Answer {
    pub(crate) fn not_found() -> Self {
        Self {
            head: "HTTP/1.1 404 Not Found\r\nContent-Length: 0".into(),
            body: Vec::new(),
            breaks_after: None,
        }
    }

    pub(crate) fn whole(body: &[u8]) -> Self {
        Self {
            head: format!("HTTP/1.1 200 OK\r\nContent-Length: {}", body.len()),
            body: body.to_vec(),
            breaks_after: None,
        }
    }

    /// Returns the response of a server that supports ranges.
    pub(crate) fn of(body: &[u8], from: Option<u64>) -> Self {
        let Some(from) = from else {
            return Self::whole(body);
        };
        let size = body.len();
        match body.get(usize::try_from(from).unwrap()..) {
            Some(rest) if !rest.is_empty() => Self {
                head: format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{size}",
                    rest.len(),
                    size - 1
                ),
                body: rest.to_vec(),
                breaks_after: None,
            },
            _ => Self {
                head: "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0".into(),
                body: Vec::new(),
                breaks_after: None,
            },
        }
    }

    pub(crate) fn breaking_after(mut self, bytes: usize) -> Self {
        self.breaks_after = Some(bytes);
        self
    }
}

pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    sent: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (asked, sent) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let (log, counter, answer) = (asked.clone(), sent.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(handle(connection, log.clone(), counter.clone(), answer.clone()));
            }
        });
        Self {
            address,
            asked,
            sent,
            task,
        }
    }

    /// Returns the requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The number of body bytes that the system accepted for sending.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle<A: Fn(&Asked) -> Answer>(
    mut connection: TcpStream,
    log: Arc<Mutex<Vec<Asked>>>,
    sent: Arc<AtomicU64>,
    answer: Arc<A>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = connection.read_u8().await else {
            return;
        };
        request.push(byte);
    }
    let request = String::from_utf8(request).unwrap();
    let header = |name: &str| {
        request.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let asked = Asked {
        path: request.split(' ').nth(1).unwrap().to_owned(),
        from: header("range").map(|range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap()),
        authorization: header("authorization"),
    };
    log.lock().unwrap().push(asked.clone());
    let answer = answer(&asked);
    let head = format!("{}\r\nConnection: close\r\n\r\n", answer.head);
    let body = &answer.body[..answer
        .breaks_after
        .unwrap_or(answer.body.len())
        .min(answer.body.len())];
    if connection.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    for piece in body.chunks(65_536) {
        if connection.write_all(piece).await.is_err() {
            return;
        }
        sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
    }
    let _ = connection.shutdown().await;
}
