//! A small TCP proxy whose connections can be cut, reset, delayed, throttled, and left half open: accepted and alive for
//! the peer's kernel, but nothing comes through any more.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What happens to what is sent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Weather {
    Fair,
    /// Each piece waits so long.
    Delayed(Duration),
    /// Bytes a second, in each direction of each connection.
    Throttled(usize),
    /// Nothing comes through until the weather changes; then everything does.
    Stalled,
    /// Nothing comes through in either direction. Connections that were there then, or that were made meanwhile, stay dead
    /// when the weather changes: their peers never hear of it.
    BlackHole,
    /// The same for what the server says: what is sent to it arrives and takes effect.
    Deaf,
    /// Connections end, new ones end at once.
    Down,
}

#[derive(Clone, Copy)]
struct Sky {
    weather: Weather,
    /// How often all connections were ended, and how.
    ends: u64,
    reset: bool,
    /// The port that new connections are passed on to.
    to: u16,
}

/// A running proxy; it ends with its owner.
pub struct Proxy {
    pub port: u16,
    sky: watch::Sender<Sky>,
    /// Bytes for the server that wait for the end of a stall.
    stalled: watch::Receiver<usize>,
}

impl Proxy {
    /// Listens on `port` (a free one) and passes connections on to `to` of this machine.
    pub fn start(port: u16, to: u16) -> Proxy {
        let (waiting, stalled) = watch::channel(0);
        let (sky, seen) = watch::channel(Sky { weather: Weather::Fair, ends: 0, reset: false, to });
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        // A thread of its own: tests block their runtime with processes and servers.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, seen, waiting));
        });
        Proxy { port, sky, stalled }
    }

    pub fn set(&self, weather: Weather) {
        self.sky.send_modify(|sky| sky.weather = weather);
        if weather == Weather::Down {
            self.cut(false);
        }
    }

    /// Waits until something that a client sent waits for the end of a stall.
    pub async fn holds_bytes(&self) {
        let mut stalled = self.stalled.clone();
        let seen = tokio::time::timeout(Duration::from_secs(30), stalled.wait_for(|bytes| *bytes > 0)).await;
        seen.expect("nothing was sent during the stall").unwrap();
    }

    /// Moves the address to another server, as a virtual IP does: all connections end, new ones go there.
    pub fn move_to(&self, to: u16) {
        self.sky.send_modify(|sky| sky.to = to);
        self.cut(false);
    }

    /// Ends all connections now: with FIN, or with RST.
    pub fn cut(&self, reset: bool) {
        self.sky.send_modify(|sky| {
            sky.ends += 1;
            sky.reset = reset;
        });
    }
}

async fn serve(listener: std::net::TcpListener, mut sky: watch::Receiver<Sky>, stalled: watch::Sender<usize>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted && sky.borrow().weather != Weather::Down {
                    tokio::spawn(pass(client, sky.clone(), stalled.clone()));
                }
            }
            // The owner is gone.
            changed = sky.changed() => if changed.is_err() { return },
        }
    }
}

/// One connection until its end.
async fn pass(client: TcpStream, mut sky: watch::Receiver<Sky>, stalled: watch::Sender<usize>) {
    let _ = client.set_nodelay(true);
    let to = sky.borrow().to;
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let _ = server.set_nodelay(true);
    let began = sky.borrow().ends;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = pump(from_client, to_server, Some(stalled), sky.clone());
    let down = pump(from_server, to_client, None, sky.clone());
    let pumps = async { tokio::join!(up, down) };
    tokio::pin!(pumps);
    let ended = sky.wait_for(|sky| sky.ends != began);
    tokio::select! {
        _ = &mut pumps => {}
        _ = ended => {}
    }
}

/// Passes one direction on; returns its halves at the stream's end. A dropped pump closes them.
/// `stalled` counts what a client's direction holds back.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    stalled: Option<watch::Sender<usize>>,
    mut sky: watch::Receiver<Sky>,
) {
    let answers = stalled.is_none();
    let mut buffer = vec![0; 16 << 10];
    let mut dead = false;
    loop {
        let now = *sky.borrow_and_update();
        let hole = now.weather == Weather::BlackHole || (answers && now.weather == Weather::Deaf);
        dead |= hole;
        if dead {
            // Nothing more comes or goes; only an end of all connections ends it.
            let began = now.ends;
            let end = sky.wait_for(|sky| sky.ends != began).await.map(|sky| sky.reset);
            return close(to, end.unwrap_or(false));
        }
        let most = match now.weather {
            Weather::Throttled(rate) => (rate / 20).max(1),
            _ => buffer.len(),
        };
        tokio::select! {
            read = from.read(&mut buffer[..most]) => match read {
                Ok(count) if count > 0 => {
                    match now.weather {
                        Weather::Delayed(pause) => moment(pause).await,
                        Weather::Throttled(_) => moment(Duration::from_millis(50)).await,
                        _ => {}
                    }
                    if sky.borrow().weather == Weather::Stalled {
                        if let Some(stalled) = &stalled {
                            stalled.send_modify(|bytes| *bytes += count);
                        }
                        if sky.wait_for(|sky| sky.weather != Weather::Stalled).await.is_err() {
                            return;
                        }
                    }
                    let weather = sky.borrow().weather;
                    let lost = weather == Weather::BlackHole || (answers && weather == Weather::Deaf);
                    if !lost && to.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
                Ok(_) | Err(_) => {
                    let _ = to.shutdown().await;
                    return;
                }
            },
            changed = sky.changed() => match changed {
                Ok(()) if sky.borrow().ends != now.ends => return close(to, sky.borrow().reset),
                Ok(()) => {}
                Err(_) => return,
            },
        }
    }
}

fn close(to: OwnedWriteHalf, reset: bool) {
    if reset {
        let socket: &TcpStream = to.as_ref();
        let _ = socket.set_zero_linger();
    }
}

async fn moment(length: Duration) {
    let _ = tokio::time::timeout(length, std::future::pending::<()>()).await;
}

#[tokio::test]
async fn a_proxy_passes_delays_loses_and_ends() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let server = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                use std::io::{Read, Write};
                let mut stream = stream.unwrap();
                let mut byte = [0];
                while matches!(stream.read(&mut byte), Ok(1)) && stream.write_all(&byte).is_ok() {}
            });
        }
    });
    let proxy = Proxy::start(super::servers::free_port(), server);
    let connect = || TcpStream::connect(("127.0.0.1", proxy.port));
    async fn echo(stream: &mut TcpStream) -> Option<std::io::Result<u8>> {
        let answer = async {
            stream.write_all(b"x").await?;
            stream.read_u8().await
        };
        tokio::time::timeout(Duration::from_millis(500), answer).await.ok()
    }
    let mut first = connect().await.unwrap();
    assert_eq!(echo(&mut first).await.unwrap().unwrap(), b'x');
    proxy.set(Weather::Delayed(Duration::from_millis(80)));
    let begun = std::time::Instant::now();
    assert_eq!(echo(&mut first).await.unwrap().unwrap(), b'x');
    assert!(begun.elapsed() >= Duration::from_millis(80));
    proxy.set(Weather::BlackHole);
    assert!(echo(&mut first).await.is_none(), "an answer came out of a black hole");
    proxy.set(Weather::Fair);
    assert!(echo(&mut first).await.is_none(), "a half-open connection came to life again");
    let mut second = connect().await.unwrap();
    assert_eq!(echo(&mut second).await.unwrap().unwrap(), b'x');
    proxy.cut(true);
    assert!(echo(&mut second).await.unwrap().is_err());
    proxy.set(Weather::Down);
    let mut third = connect().await.unwrap();
    assert!(echo(&mut third).await.unwrap().is_err());
}
