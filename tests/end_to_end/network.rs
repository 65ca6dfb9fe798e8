//! The container's network: a real server on this host's loopback, or a client, and programs in the
//! guest.

use crate::container::{C2W, Container, Engine, Surroundings, busybox_reference, text};
use crate::engine::{Directory, Driver};
use crate::runtimes::{self, Runtime};
use crate::{engine_trial, guest, missing, process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

pub fn trials() -> Vec<Trial> {
    let tests: [Test; 17] = [
        ("network::bytes_come_and_go_whole", transfers),
        ("network::connections_at_once", many),
        ("network::datagrams", datagrams),
        ("network::each_side_ends_by_itself", half_close),
        ("network::a_reset_is_one_in_the_guest", reset),
        ("network::an_answer_before_the_end", early_answer),
        ("network::what_the_host_refuses", refused),
        ("network::what_is_out_of_reach", out_of_reach),
        ("network::none", none),
        ("network::standard_input_and_a_socket", standard_input),
        ("network::published_ports", published),
        ("network::a_port_of_the_hosts_choice", chosen_port),
        ("network::a_port_that_the_container_refuses", published_for_nobody),
        ("network::starts_differ", starts_differ),
        ("network::what_was_sent_arrives_after_the_end", sent_at_the_end),
        ("network::much_was_sent_at_the_end", much_sent_at_the_end),
        ("network::interface_and_files", interface),
    ];
    guest::trials("network", || {
        let is_root = rustix::process::getuid().is_root();
        let names = trial("native::network::names_are_asked_of_the_hosts_servers", names);
        let mut trials = vec![
            trial("native::network::a_port_that_is_taken", taken_port),
            names.with_kind("root only").with_ignored_flag(!is_root),
            engine_trial(Engine::COMMAND, "network::what_a_module_cannot_have", refusals),
        ];
        trials.push(match runtimes::find("passt") {
            // It takes its addresses from the interface that leads to others.
            Some(passt) => trial("native::network_qemu::passt", move || qemu_framing(&passt))
                .with_kind("no default route")
                .with_ignored_flag(!has_default_route()),
            None => missing("native::network_qemu", "passt"),
        });
        let own = [Engine::Native, Engine::Image].into_iter().chain(Engine::components());
        let sites = own.map(|engine| Site { engine, way: Way::Own }).chain(behind_a_helper());
        for site in sites {
            trials.extend(tests.iter().map(|&(name, test)| {
                engine_trial(site.engine, site.name(name), move |_| test(site))
            }));
        }
        trials
    })
}

/// The engines that map directories, with a network of `c2w net-helper`, and wazero, which listens.
fn behind_a_helper() -> impl Iterator<Item = Site> {
    let built_in =
        [Engine::Native, Engine::COMMAND, Engine::Wasi(Driver::Stepwise), Engine::COMPONENT];
    let runtimes = Runtime::found().filter(|runtime| runtime.maps_directories());
    let engines = built_in.into_iter().chain(runtimes.map(Engine::Runtime));
    let directories = engines.map(|engine| Site { engine, way: Way::Directory });
    let listening = Runtime::found().filter(|runtime| !runtime.listen.is_empty());
    let sockets =
        listening.map(|runtime| Site { engine: Engine::Runtime(runtime), way: Way::Socket });
    directories.chain(sockets)
}

/// Where a container runs, and how it comes to its network.
#[derive(Clone, Copy)]
struct Site {
    engine: Engine,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By sockets of the process that it runs in.
    Own,
    /// By a directory of `c2w net-helper`.
    Directory,
    /// By a socket on which the runtime listens, to which `c2w net-helper` connects.
    Socket,
}

impl Site {
    /// A test's name here.
    fn name(self, name: &'static str) -> &'static str {
        let way = match self.way {
            Way::Own => return name,
            Way::Directory => "network_dir::",
            Way::Socket => "network_socket::",
        };
        // As long as the process: one for each trial.
        name.replacen("network::", way, 1).leak()
    }

    /// Whether connections of the host can be ended by a reset.
    fn resets(self) -> bool {
        self.way != Way::Own || matches!(self.engine, Engine::Native | Engine::Image)
    }
}

/// What it is about, and the test.
type Test = (&'static str, fn(Site));

/// Where the host's loopback is for a container that has `--add-host`.
const HOST: &str = "10.0.2.2";
const WITH_HOST: &str = "--add-host=host:host-gateway";

/// The program `network` in a folder, compiled once.
fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end_to_end-network");
        fs::create_dir_all(&folder).unwrap();
        guest::compile("network", &folder.join("network"));
        folder
    })
}

/// A run of BusyBox, with the program at /t/network.
fn command(site: Site, arguments: &[&str]) -> Command {
    let tools = Directory { host: tools(), guest: "/t", read_only: true };
    let container = Container::busybox();
    if site.way == Way::Own {
        return container.command_with(site.engine, &[tools], arguments);
    }
    let is_helpers =
        |argument: &&&str| argument.starts_with("-p") || argument.starts_with("--publish=");
    let (ports, rest): (Vec<&str>, Vec<&str>) = arguments.iter().partition(is_helpers);
    let mut helper = Command::new(C2W);
    helper.arg("net-helper").args(ports);
    helper.args(arguments.contains(&WITH_HOST).then_some("--host-gateway"));
    let inner = match site.way {
        Way::Socket => {
            let address = free_port().to_string();
            helper.arg(format!("--connect={address}"));
            let directories = &[tools];
            let surroundings = Surroundings { directories, listen: Some(&address), variables: &[] };
            container.command_in(
                site.engine,
                surroundings,
                &[&["--net=socket"], &rest[..]].concat(),
            )
        }
        _ => {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
            let rings =
                Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("end_to_end-rings-{name}"));
            helper.arg(&rings);
            let mapped = Directory { host: &rings, guest: "/net", read_only: false };
            match site.engine {
                Engine::Native => {
                    let option = format!("--network=dir={}", rings.display());
                    container.command_with(
                        site.engine,
                        &[tools],
                        &[&[&*option], &rest[..]].concat(),
                    )
                }
                _ => container.command_with(
                    site.engine,
                    &[tools, mapped],
                    &[&["--network=dir=/net"], &rest[..]].concat(),
                ),
            }
        }
    };
    helper.arg("--").arg(inner.get_program()).args(inner.get_args());
    helper.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    helper
}

/// What a command of the container prints, and its status.
fn run(site: Site, arguments: &[&str]) -> (String, Option<i32>) {
    let output = process::run(&mut command(site, arguments), b"");
    assert_eq!(text(&output.stderr), "", "{arguments:?}");
    (text(&output.stdout), output.status.code())
}

/// What the program prints when it gets this address of the host's loopback.
fn network(site: Site, mode: &str, server: SocketAddr, rest: &str) -> (String, Option<i32>) {
    let port = server.port().to_string();
    run(site, &[WITH_HOST, "/t/network", mode, HOST, &port, rest])
}

fn success(text: &str) -> (String, Option<i32>) {
    (text.to_owned(), Some(0))
}

/// A server on loopback; each connection is a thread's.
fn serve(handle: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            thread::spawn(move || handle(stream));
        }
    });
    address
}

/// Bytes that look like nothing.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Reads all, then sends it back.
fn send_back(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
}

/// Sends back what comes, as it comes.
fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        stream.write_all(&buffer[..count]).unwrap();
    }
}

/// From standard input to a socket, and back when all is there.
fn transfers(site: Site) {
    let bytes = noise(30_000_000);
    let port = serve(send_back).port().to_string();
    let output = process::run(&mut command(site, &[WITH_HOST, "nc", HOST, &port]), &bytes);
    assert_eq!(text(&output.stderr), "");
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
}

fn many(site: Site) {
    assert_eq!(network(site, "many", serve(echo), "200"), success("200 echoed\n"));
}

fn datagrams(site: Site) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 70_000];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&buffer[..length], from).unwrap();
        }
    });
    for size in ["0", "1", "1500", "65000"] {
        let expected = success(&format!("{size} bytes, the same from the same\n"));
        assert_eq!(network(site, "datagram", address, size), expected);
    }
}

fn half_close(site: Site) {
    let expected = success("3 bytes after the end\n");
    assert_eq!(network(site, "half-close", serve(send_back), ""), expected);
}

fn reset(site: Site) {
    let server = serve(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        let reset = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
        reset.unwrap();
    });
    assert_eq!(network(site, "reset", server, ""), ("read: ECONNRESET\n".into(), Some(1)));
}

/// The server has read a little and says why it wants no more; that must not get lost.
fn early_answer(site: Site) {
    let server = serve(|mut stream| {
        stream.read_exact(&mut [0; 1000]).unwrap();
        stream.write_all(b"too large").unwrap();
    });
    assert_eq!(network(site, "answer", server, ""), success("too large\n"));
}

/// A port where nobody listens.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn refused(site: Site) {
    let expected = ("connect: ECONNREFUSED\n".to_owned(), Some(1));
    assert_eq!(network(site, "connect", free_port(), ""), expected);
}

fn out_of_reach(site: Site) {
    let port = serve(echo).port().to_string();
    let connect = |ip: &str| run(site, &["/t/network", "connect", ip, &port]);
    for (ip, errno) in [
        // This host's loopback, which nobody has asked for, and the container's own.
        (HOST, "ECONNREFUSED"),
        ("127.0.0.1", "ECONNREFUSED"),
        ("0.0.0.0", "ECONNREFUSED"),
        ("169.254.169.254", "EHOSTUNREACH"),
        ("10.0.2.77", "EHOSTUNREACH"),
        ("127.0.0.53", "ECONNREFUSED"),
    ] {
        assert_eq!(connect(ip), (format!("connect: {errno}\n"), Some(1)), "{ip}");
    }
}

fn none(site: Site) {
    let expected = ("connect: ENETUNREACH\n".to_owned(), Some(1));
    let connect = ["--network=none", "/t/network", "connect", "192.0.2.1", "80"];
    assert_eq!(run(site, &connect), expected);
}

/// Lines go to a socket and come back from it while standard input stays open.
fn standard_input(site: Site) {
    let port = serve(echo).port().to_string();
    let mut child =
        process::spawn(command(site, &[WITH_HOST, "nc", HOST, &port]).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for line in ["one\n", "two\n", "three\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut back = String::new();
        stdout.read_line(&mut back).unwrap();
        assert_eq!(back, line);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// A container with a server, which ends with its standard input.
struct Server {
    child: Child,
    _stdin: ChildStdin,
}

impl Server {
    /// Waits until it is there.
    fn start(site: Site, options: &[&str], program: &[&str]) -> Self {
        let mut command = command(site, &[options, program].concat());
        let mut child = process::spawn(command.stdin(Stdio::piped()));
        let stdin = child.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, _stdin: stdin }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn published(site: Site) {
    let (tcp, udp) = (free_port().port(), free_port().port());
    let ports = [format!("-p={tcp}:7"), format!("-p={udp}:7/udp")];
    let options: Vec<&str> = ports.iter().map(String::as_str).collect();
    let _server = Server::start(site, &options, &["/t/network", "echo", "7"]);
    let bytes = noise(1_000_000);
    let mut streams: Vec<_> =
        (0..50).map(|_| TcpStream::connect(("127.0.0.1", tcp)).unwrap()).collect();
    for stream in streams.iter_mut().rev() {
        stream.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
    }
    let mut writer = streams[0].try_clone().unwrap();
    let sent = bytes.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    streams[0].read_to_end(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == bytes, "{} bytes", back.len());
    for length in [0, 1, 30_000] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        socket.connect(("127.0.0.1", udp)).unwrap();
        socket.send(&bytes[..length]).unwrap();
        let mut back = vec![0; 70_000];
        assert_eq!(socket.recv(&mut back).unwrap(), length);
        assert_eq!(back[..length], bytes[..length]);
    }
}

/// A port of the host's choice is told.
fn chosen_port(site: Site) {
    let mut options = vec!["--publish=7"];
    // A component does not know its image's.
    let knows = site.way == Way::Own && site.resets();
    options.extend(knows.then_some("-P"));
    let mut server = Server::start(site, &options, &["/t/network", "echo", "7"]);
    let mut said = String::new();
    BufReader::new(server.child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    let address = said.strip_prefix("c2w: note: ").and_then(|said| said.split_once(" is port 7 "));
    let (address, _) = address.unwrap_or_else(|| panic!("{said}"));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
}

fn published_for_nobody(site: Site) {
    let port = free_port().port();
    let option = format!("--publish={port}:9");
    let _server = Server::start(site, &[&option], &["/t/network", "echo", "7"]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    match stream.read(&mut [0]) {
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        // Of WASI a reset cannot be asked for.
        Ok(read) if !site.resets() => assert_eq!(read, 0),
        Ok(_) => panic!("an end is not a reset"),
    }
}

/// Before the machine is made.
fn taken_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let option = format!("--publish={port}:80");
    let output = Command::new(C2W).args(["run", &option, &busybox_reference(), "true"]).output();
    let output = output.unwrap();
    let said = format!("c2w: cannot listen on 127.0.0.1:{port}: Address already in use\n");
    assert_eq!((text(&output.stderr), output.status.code()), (said, Some(125)));
}

/// What the snapshot has is not what a connection is told apart by.
fn starts_differ(site: Site) {
    let server = serve(echo);
    let ports: Vec<_> = (0..3).map(|_| network(site, "local", server, "").0).collect();
    assert!(ports.iter().any(|port| *port != ports[0]), "{ports:?}");
}

/// Nothing is waited for in the container, whose machine ends with it.
fn sent_at_the_end(site: Site) {
    const LENGTH: usize = 200_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(network(site, "send", address, &LENGTH.to_string()), success(""));
    let mut received = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), LENGTH);
}

/// More than any buffer on its way holds, for a peer that begins to read when the program has ended.
fn much_sent_at_the_end(site: Site) {
    const LENGTH: usize = 6_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reading = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        thread::sleep(Duration::from_millis(500));
        let mut received = Vec::new();
        stream.read_to_end(&mut received).map(|_| received.len())
    });
    assert_eq!(network(site, "send", address, &LENGTH.to_string()), success(""));
    assert_eq!(reading.join().unwrap().unwrap(), LENGTH);
}

fn interface(site: Site) {
    let options = ["--hostname=box", "--add-host=db:192.0.2.5", "--mac=02:00:00:00:00:77"];
    let line = "cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; tail -n 2 /etc/hosts; \
                head -n 1 /etc/resolv.conf";
    let (shown, _) = run(site, &[&options[..], &["sh", "-c", line]].concat());
    let expected = "02:00:00:00:00:77\n65520\n10.0.2.15\tbox\n192.0.2.5\tdb\n\
                    nameserver 10.0.2.3\n";
    assert_eq!(shown, expected);
    let dns = ["--dns=192.0.2.9", "--dns-search=a.example", "cat", "/etc/resolv.conf"];
    assert_eq!(run(site, &dns), success("nameserver 192.0.2.9\nsearch a.example\n"));
}

/// A container of `c2w run`, with a network as it has by default.
const NATIVE: Site = Site { engine: Engine::Native, way: Way::Own };

/// What a module says that asks for a network in vain, in one line.
fn refusals(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let mapped = Directory::new(folder.path(), "/net");
    for (options, expected) in [
        (
            &["--network=user"][..],
            "--network user: a module of WASI preview 1 has no sockets: c2w net-",
        ),
        (&["--publish=80:80"], "--publish: a module of WASI preview 1 has no sockets"),
        (&["--network=qemu=h:1"], "--network qemu: a module of WASI preview 1 has no sockets"),
        (&["--network=dir=/other"], "dir=/other: the runtime has opened no such directory"),
        (&["--network=dir=/net"], "dir=/net: no c2w net-helper serves that directory"),
        (&["--network=dir=/net", "-p80:80"], "--publish: give it to c2w net-helper"),
        (&["--network=socket"], "the runtime does not listen (wazero run -listen HOST:PORT)"),
        (&["--network=socket=listenfd=9"], "the runtime does not listen"),
    ] {
        let arguments = [options, &["true"]].concat();
        let mut command = Container::busybox().command_with(engine, &[mapped], &arguments);
        let output = process::run(&mut command, b"");
        let said = text(&output.stderr);
        assert!(said.contains(expected) && said.lines().count() == 1, "{options:?}: {said}");
        assert_eq!(output.status.code(), Some(125), "{options:?}");
    }
}

/// Whether this host has a way to others by IPv4: a route to everywhere.
fn has_default_route() -> bool {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    routes.lines().any(|route| route.split('\t').nth(1) == Some("00000000"))
}

/// With the network of a program that QEMU's users have, which is not told of c2w: it leads to this
/// host's loopback by its gateway.
fn qemu_framing(passt: &Path) {
    const GATEWAY: &str = "10.99.0.1";
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut started = Command::new(passt);
    started
        .args(["--foreground", "--one-off", "--quiet", "--mtu", "1400", "--socket"])
        .arg(&socket);
    started.args(["--address", "10.99.0.2", "--netmask", "24", "--gateway", GATEWAY]);
    // It gives up what root may do.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut passt = process::spawn(&mut started);
    while !socket.exists() {
        assert!(passt.try_wait().unwrap().is_none(), "passt has ended");
        thread::sleep(Duration::from_millis(10));
    }
    let option = format!("--network=qemu=unix:{}", socket.display());
    let bytes = noise(3_000_000);
    let page = [b"HTTP/1.0 200 OK\r\n\r\n", &bytes[..]].concat();
    let download = serve(move |mut stream| {
        let _ = stream.read(&mut [0; 1000]).and_then(|_| stream.write_all(&page));
    });
    let (sender, counted) = std::sync::mpsc::channel();
    let upload = serve(move |mut stream| {
        sender.send(std::io::copy(&mut stream, &mut std::io::sink()).unwrap()).unwrap();
    });
    // Not half-closed: the passt of 2023 takes no acknowledgements then.
    let line = format!(
        "cat /sys/class/net/eth0/mtu >&2; wget -qO - http://{GATEWAY}:{}/ && exec /t/network send \
         {GATEWAY} {} 6000000",
        download.port(),
        upload.port()
    );
    let output = process::run(&mut command(NATIVE, &[&option, "sh", "-c", &line]), b"");
    assert_eq!(text(&output.stderr), "1400\n");
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
    assert_eq!(counted.recv(), Ok(6_000_000));
    // It ends with its only peer.
    assert!(passt.wait().unwrap().success());
}

/// A name server on an address of this host's loopback that nobody else has.
struct NameServer(Child);

const NAME_SERVER: &str = "127.77.0.53";

impl NameServer {
    fn start() -> Self {
        let mut command = Command::new("dnsmasq");
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
        ]);
        command.args(["--bind-interfaces", "--pid-file=", "--user=root", "--local=/test/"]);
        command.arg(format!("--listen-address={NAME_SERVER}"));
        command.args(["--host-record=a.test,192.0.2.7,2001:db8::7", "--mx-host=a.test,b.test,10"]);
        let server = Self(process::spawn(&mut command));
        while TcpStream::connect((NAME_SERVER, 53)).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// With another resolv.conf in the place of this host's: a server that does not answer, and one that
/// does.
fn names() {
    let _server = NameServer::start();
    let resolv_conf = tools().join("resolv.conf");
    let servers = format!("nameserver 127.77.0.54\nnameserver {NAME_SERVER}\nsearch test\n");
    let asked = |servers: &str, arguments: &[&str]| {
        fs::write(&resolv_conf, servers).unwrap();
        let command = command(NATIVE, arguments);
        let line =
            format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", resolv_conf.display());
        let inner = process::under_shell(&line, &command);
        let mut outer = Command::new("unshare");
        outer.arg("--mount").arg(inner.get_program()).args(inner.get_args());
        let output = process::run(&mut outer, b"");
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    };
    let only = format!("nameserver {NAME_SERVER}\n");
    let lookup = |servers: &str, kind: &str, name: &str| {
        asked(servers, &["nslookup", &format!("-type={kind}"), name])
    };
    assert!(lookup(&only, "a", "a.test").ends_with("Name:\ta.test\nAddress: 192.0.2.7\n\n"));
    assert!(lookup(&only, "aaaa", "a.test").ends_with("Address: 2001:db8::7\n\n"));
    assert!(lookup(&only, "mx", "a.test").contains("mail exchanger = 10 b.test"));
    assert!(lookup(&only, "a", "none.test").contains("can't find none.test: NXDOMAIN"));
    let over_tcp = ["/t/network", "dns-over-tcp", "10.0.2.3", "53"];
    assert_eq!(asked(&only, &over_tcp), "1 answers\n");
    assert!(lookup(&servers, "a", "a.test").contains("Address: 192.0.2.7"));
    let shown = asked(&servers, &["cat", "/etc/resolv.conf"]);
    assert_eq!(shown, "nameserver 10.0.2.3\nsearch test\n");
}
