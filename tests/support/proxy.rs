//! A proxy that leads all connections to one place, whatever name they ask for, and tells what it
//! was asked.

use crate::faulty_server::server_config;
use rustls::{ServerConnection, StreamOwned};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

type Serve = fn(&mut BufReader<TcpStream>, SocketAddr, &Mutex<Vec<String>>) -> io::Result<()>;

impl Proxy {
    /// CONNECT (RFC 9110, section 9.3.6), and plain HTTP in absolute form.
    pub fn http(to: &str) -> Self {
        Self::start(to, serve_http)
    }

    /// SOCKS 5 (RFC 1928) without a password.
    pub fn socks(to: &str) -> Self {
        Self::start(to, serve_socks)
    }

    /// As [`Proxy::http`], behind TLS with this certificate and key.
    pub fn https(to: &str, pair: (&Path, &Path)) -> Self {
        let inner = Self::http(to);
        let (config, plain) = (server_config(pair), inner.address);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let tls = StreamOwned::new(connection, stream);
                thread::spawn(move || unwrap_tls(tls, TcpStream::connect(plain)?));
            }
        });
        Self { address, seen: inner.seen }
    }

    fn start(to: &str, serve: Serve) -> Self {
        let to = to.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(&mut BufReader::new(stream), to, &kept));
            }
        });
        Self { address, seen }
    }

    /// `SCHEME://127.0.0.1:PORT`, with `user` (maybe `NAME:PASSWORD@`) before the host.
    pub fn url(&self, scheme: &str, user: &str) -> String {
        format!("{scheme}://{user}{}", self.address)
    }

    /// What it was asked: first lines, passwords' headers, SOCKS targets.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve_http(
    client: &mut BufReader<TcpStream>,
    to: SocketAddr,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let (mut head, mut first) = (Vec::new(), String::new());
    loop {
        let mut line = String::new();
        client.read_line(&mut line)?;
        if first.is_empty() {
            first.clone_from(&line);
            seen.lock().unwrap().push(line.trim_end().to_owned());
        }
        if line.to_ascii_lowercase().starts_with("proxy-authorization:") {
            seen.lock().unwrap().push(line.trim_end().to_owned());
        }
        head.extend_from_slice(line.as_bytes());
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut server = TcpStream::connect(to)?;
    if first.starts_with("CONNECT ") {
        client.get_mut().write_all(b"HTTP/1.1 200 connected\r\n\r\n")?;
    } else {
        server.write_all(&head)?;
    }
    join(client, server)
}

fn serve_socks(
    client: &mut BufReader<TcpStream>,
    to: SocketAddr,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let [_, methods] = take(client)?;
    io::copy(&mut client.take(methods.into()), &mut io::sink())?;
    client.get_mut().write_all(&[5, 0])?;
    let [_, _, _, kind] = take(client)?;
    let host = match kind {
        1 => take::<4>(client)?.map(|byte| byte.to_string()).join("."),
        3 => {
            let [length] = take(client)?;
            let mut name = String::new();
            client.take(length.into()).read_to_string(&mut name)?;
            name
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let port = u16::from_be_bytes(take(client)?);
    seen.lock().unwrap().push(format!("SOCKS {host}:{port}"));
    let server = TcpStream::connect(to)?;
    client.get_mut().write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    join(client, server)
}

/// Passes what TLS holds on, in both directions, until either ends.
fn unwrap_tls(
    mut tls: StreamOwned<ServerConnection, TcpStream>,
    mut plain: TcpStream,
) -> io::Result<()> {
    let soon = Some(Duration::from_millis(1));
    tls.sock.set_read_timeout(soon)?;
    plain.set_read_timeout(soon)?;
    let mut buffer = [0; 16 << 10];
    let mut pass = |from: &mut dyn Read, to: &mut dyn Write| match from.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) => to.write_all(&buffer[..count]).and_then(|()| to.flush()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    };
    while pass(&mut tls, &mut plain)? && pass(&mut plain, &mut tls)? {}
    Ok(())
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Passes bytes in both directions until both have ended.
fn join(client: &mut BufReader<TcpStream>, server: TcpStream) -> io::Result<()> {
    let (mut from_server, mut to_client) = (server.try_clone()?, client.get_ref().try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
    let mut to_server = &server;
    io::copy(client, &mut to_server)?;
    server.shutdown(Shutdown::Write)?;
    let _ = back.join();
    Ok(())
}
