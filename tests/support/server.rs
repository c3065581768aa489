//! A small HTTP server on the loopback address.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A server that answers every request by its path, until it is dropped.
///
/// | path | answer |
/// | --- | --- |
/// | `/ok` | `hello` |
/// | `/echo` | JSON with the request: method, target, headers, body |
/// | `/redirect/STATUS/URL` | a redirect to the URL |
/// | `/endless` | an endless body |
/// | `/silent` | no response |
/// | `/drops` | no response: the connection is closed |
/// | `/stalled` | the beginning of a body, and no more of it |
/// | `/kept` | `hello`, on a connection that stays open |
/// | a path of [`Server::spell`] | a header of the request, in hexadecimal digits |
/// | a path of [`Server::put_raw`] | its bytes, with status and headers |
/// | a path of [`Server::put`] | its bytes, or 404 if they were removed |
pub(crate) struct Server {
    origin: String,
    requests: Arc<Mutex<Vec<String>>>,
    files: Files,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

/// Bytes by path, or `None` if they were removed.
type Files = Arc<Mutex<HashMap<String, Option<Vec<u8>>>>>;

impl Server {
    /// Starts a server on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let files = Files::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let (seen, end, served) = (requests.clone(), ended.clone(), files.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, end, served) = (seen.clone(), end.clone(), served.clone());
                if let Ok(stream) = stream {
                    counted.fetch_add(1, Ordering::SeqCst);
                    // A client that disconnects is not a failure of the server.
                    std::thread::spawn(move || while let Ok(true) = answer(&stream, &seen, &served, &end) {});
                }
            }
        });
        Server {
            origin,
            requests,
            files,
            connections,
            ended,
        }
    }

    /// Returns the origin, `http://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> &str {
        self.origin.rsplit(':').next().unwrap()
    }

    /// Sets the bytes for this path. `None` means 404.
    pub(crate) fn put(&self, path: &str, bytes: Option<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes);
    }

    /// Sets the whole response for this path, with its status line and headers.
    pub(crate) fn put_raw(&self, path: &str, response: &[u8]) {
        self.put(&format!("raw {path}"), Some(response.to_vec()));
    }

    /// Answers this path with a header of the request, in hexadecimal digits.
    pub(crate) fn spell(&self, path: &str, header: &str) {
        self.put(&format!("spell {path}"), Some(header.as_bytes().to_vec()));
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests so far, as `METHOD target`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        drop(TcpStream::connect(self.origin.trim_start_matches("http://")));
    }
}

/// Answers one request. Returns true if another one can follow on the connection.
fn answer(
    mut stream: &TcpStream,
    seen: &Mutex<Vec<String>>,
    files: &Files,
    end: &AtomicBool,
) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default().to_owned(),
        words.next().unwrap_or_default().to_owned(),
    );
    if method.is_empty() {
        return Ok(false);
    }
    seen.lock().unwrap().push(format!("{method} {target}"));
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        headers.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked")
    {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap_or(0);
            let mut piece = vec![0; size + 2];
            reader.read_exact(&mut piece)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&piece[..size]);
        }
    }

    let raw = files.lock().unwrap().get(&format!("raw {target}")).cloned();
    if let Some(Some(response)) = raw {
        return stream.write_all(&response).map(|()| false);
    }
    let spelled = files.lock().unwrap().get(&format!("spell {target}")).cloned();
    if let Some(Some(name)) = spelled {
        let value = headers.iter().find(|(known, _)| known.as_bytes() == name);
        let hex: String = value
            .map_or("", |(_, value)| value)
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            hex.len()
        );
        return stream
            .write_all(format!("{head}{hex}").as_bytes())
            .map(|()| false);
    }
    if target == "/kept" {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")?;
        return Ok(true);
    }
    let file = files.lock().unwrap().get(&target).cloned();
    if let Some(file) = file {
        let (status, content) = match file {
            Some(bytes) => ("200 OK", bytes),
            None => ("404 Not Found", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            content.len()
        );
        stream.write_all(head.as_bytes())?;
        return stream.write_all(&content).map(|()| false);
    }
    if target == "/endless" {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        while !end.load(Ordering::SeqCst) {
            stream.write_all(&[b'x'; 4096])?;
        }
        return Ok(false);
    }
    if target == "/drops" {
        return Ok(false);
    }
    if target == "/stalled" {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")?;
    }
    if target == "/silent" || target == "/stalled" {
        // Waits until the client gives up.
        let _ = reader.read(&mut [0]);
        return Ok(false);
    }
    if let Some((status, to)) = target
        .strip_prefix("/redirect/")
        .and_then(|rest| rest.split_once('/'))
    {
        let head = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        return stream.write_all(head.as_bytes()).map(|()| false);
    }
    let content = if target.starts_with("/echo") {
        serde_json::json!({
            "method": method,
            "target": target,
            "headers": headers.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "body": String::from_utf8_lossy(&body),
        })
        .to_string()
    } else {
        "hello".to_owned()
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nset-cookie: a=b\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes())?;
    if method == "HEAD" {
        return Ok(false);
    }
    stream.write_all(content.as_bytes()).map(|()| false)
}
