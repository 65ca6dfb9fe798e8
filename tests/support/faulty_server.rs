//! An HTTP server on a loopback port that answers as a test says: late, cut short, wrong.

// Each test uses a part of it.
#![allow(dead_code)]

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One answer.
#[derive(Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Sends only this many bytes of the body.
    pub cut: Option<usize>,
    /// In place of an end, keeps the connection open and silent.
    pub stall: bool,
    /// Sends the body byte by byte, with this pause after each.
    pub trickle: Option<Duration>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

type Wrap = dyn Fn(TcpStream) -> Box<dyn Stream> + Send;

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

pub struct FaultyServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    /// Stalled connections wait until this is dropped.
    _open: Sender<()>,
}

impl FaultyServer {
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(Box::new(|stream| Box::new(stream)), handler)
    }

    /// A server that speaks TLS with this certificate and key.
    pub fn start_tls(
        pair: (&Path, &Path),
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let config = server_config(pair);
        let secure = move |stream| -> Box<dyn Stream> {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(StreamOwned::new(connection, stream))
        };
        Self::start_with(Box::new(secure), handler)
    }

    fn start_with(
        wrap: Box<Wrap>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (open, closed) = channel();
        let (kept, closed) = (Arc::clone(&seen), Arc::new(Mutex::new(closed)));
        let handler: Arc<Handler> = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&kept));
                let (closed, stream) = (Arc::clone(&closed), wrap(stream));
                thread::spawn(move || serve(stream, &*handler, &seen, &closed));
            }
        });
        Self { address, seen, _open: open }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The requests so far, in order.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests so far, which are then forgotten.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// How many requests had this path.
    pub fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|request| request.path == path).count()
    }
}

/// TLS with this certificate and key.
pub fn server_config((certificate, key): (&Path, &Path)) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

/// Answers one request; clients that try TLS first, or go away, get nothing.
fn serve(
    mut stream: Box<dyn Stream>,
    handler: &Handler,
    seen: &Mutex<Vec<Request>>,
    closed: &Mutex<Receiver<()>>,
) {
    let Some(request) = read_request(&mut stream) else { return };
    seen.lock().unwrap().push(request.clone());
    let reply = handler(&request);
    let mut head = format!("HTTP/1.1 {} x\r\nConnection: close\r\n", reply.status);
    let mut headers = reply.headers.clone();
    let chunked = headers.iter().any(|(name, _)| name == "Transfer-Encoding");
    if !chunked && !headers.iter().any(|(name, _)| name == "Content-Length") {
        headers.push(("Content-Length".into(), reply.body.len().to_string()));
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n"));
    let size = if reply.trickle.is_some() { 1 } else { body.len().max(1) };
    let sent = sent.and_then(|()| {
        body.chunks(size).try_for_each(|bytes| {
            stream.write_all(bytes)?;
            stream.flush()?;
            thread::sleep(reply.trickle.unwrap_or_default());
            Ok(())
        })
    });
    let sent = sent.and_then(|()| stream.flush());
    if sent.is_ok() && reply.stall {
        let _ = closed.lock().unwrap().recv();
    }
}

fn read_request(stream: &mut dyn Stream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    if reader.fill_buf().ok()?.first()? == &0x16 {
        return None; // A TLS handshake.
    }
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}
