//! The node actor itself.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use ractor_cluster::{
    NodeEventSubscription, NodeServer, NodeServerMessage,
    node::{NodeConnectionMode, NodeServerSessionInformation},
};
use serde_json::json;
use tokio::{net::TcpListener, task::AbortHandle};

use super::{
    gate::{Gate, GateLimits},
    messages::{Child, NodeMsg},
    options::{MasterOptions, NodeOptions, WorkerOptions},
    state::{Dials, Strangers},
    wire::{self, Wire},
};
use crate::actors::{
    gateway::{GatewayActor, GatewayArgs, GatewayMsg, Serve},
    group_scope,
    inspector::InspectorActor,
    member::{
        MemberActor, MemberArgs,
        messages::{MemberMsg, MemberOwn},
    },
    observe::{Board, Pin},
    post::Post,
    scheduler::{SchedulerActor, SchedulerArgs, Seat},
    subtask::Kit,
    supervise::dice,
    voter::{VoterActor, VoterArgs},
};

const TICK: Duration = Duration::from_millis(100);
/// Between two looks for the masters' addresses, while one of them is not reached.
const FIND_MASTERS: Duration = Duration::from_secs(2);
/// The same on a master.
const FIND_PEERS: Duration = Duration::from_millis(300);
const DIAL_LIMIT: Duration = Duration::from_secs(1);
/// A child that failed is started again after this.
const REVIVE: Duration = Duration::from_secs(1);
/// A stop waits this long for units to reach a safe point.
const STOP_LIMIT: Duration = Duration::from_secs(20);

pub(super) struct NodeActor;

/// What it is started with.
#[derive(Clone)]
pub(super) struct NodeArgs {
    pub node: NodeOptions,
    pub master: Option<MasterOptions>,
    pub worker: Option<WorkerOptions>,
    pub kit: Kit,
    pub seat: Seat,
    /// Of this process.
    pub incarnation: u64,
}

pub(super) struct NodeShell {
    args: NodeArgs,
    board: Arc<Board>,
    children: BTreeMap<Child, ActorCell>,
    server: Option<ActorRef<NodeServerMessage>>,
    /// The task that accepts connections for the server.
    accepting: Option<AbortHandle>,
    gateway: Option<(Serve, ActorRef<GatewayMsg>)>,
    members: BTreeMap<usize, ActorRef<MemberMsg>>,
    sessions: BTreeMap<ActorId, NodeServerSessionInformation>,
    dials: Dials,
    strangers: Strangers<ActorId>,
    find_at: Instant,
    /// This master leads: there is to be a scheduler.
    leading: bool,
    stopping: bool,
    _pin: Pin,
}

/// Turns the server's events into facts for the node actor.
struct Events {
    node: ActorRef<NodeMsg>,
    gate: Arc<Gate>,
}

impl NodeEventSubscription for Events {
    fn node_session_opened(&self, session: NodeServerSessionInformation) {
        let _ = self.node.send_message(NodeMsg::SessionOpened(session));
    }

    fn node_session_disconnected(&self, session: NodeServerSessionInformation) {
        let _ = self.node.send_message(NodeMsg::SessionClosed(session));
    }

    fn node_session_authenticated(&self, session: NodeServerSessionInformation) {
        self.gate.knows(&session.peer_addr);
    }

    fn node_session_ready(&self, session: NodeServerSessionInformation) {
        let _ = self.node.send_message(NodeMsg::SessionReady(session));
    }
}

#[ractor::async_trait]
impl Actor for NodeActor {
    type Msg = NodeMsg;
    type State = NodeShell;
    type Arguments = NodeArgs;

    async fn pre_start(&self, me: ActorRef<NodeMsg>, args: NodeArgs) -> Result<NodeShell, ActorProcessingErr> {
        let board = Board::new(&args.node.name, group_scope(&args.node.cookie));
        let pin = board.pin("node", format!("node:{}", args.node.name), "", &me, NodeMsg::Report);
        me.send_interval(TICK, || NodeMsg::Tick);
        let mut shell = NodeShell {
            args,
            board,
            children: BTreeMap::new(),
            server: None,
            accepting: None,
            gateway: None,
            members: BTreeMap::new(),
            sessions: BTreeMap::new(),
            dials: Dials::default(),
            strangers: Strangers::new(),
            find_at: Instant::now(),
            leading: false,
            stopping: false,
            _pin: pin,
        };
        let members = 0..shell.args.worker.as_ref().map_or(0, |worker| worker.names.len());
        shell.leading = shell.args.master.as_ref().is_some_and(|master| *master.leading.borrow());
        let children = [Child::Server, Child::Inspector, Child::Voter, Child::Scheduler];
        for child in children.into_iter().chain(members.map(Child::Member)) {
            shell.start(&me, child).await?;
        }
        if let Some(master) = &shell.args.master {
            let (mut leading, me) = (master.leading.clone(), me.clone());
            tokio::spawn(async move {
                while leading.changed().await.is_ok() {
                    let now = *leading.borrow_and_update();
                    if me.send_message(NodeMsg::Leading(now)).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(shell)
    }

    async fn handle(
        &self,
        me: ActorRef<NodeMsg>,
        message: NodeMsg,
        shell: &mut NodeShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            NodeMsg::Tick => shell.tick(&me),
            NodeMsg::Masters(addresses) => shell.dials.masters(Instant::now(), addresses),
            NodeMsg::Dialled { address, result } => shell.dialled(&address, result),
            NodeMsg::SessionOpened(session) => {
                shell.strangers.opened(Instant::now(), session.actor.get_id());
                shell.sessions.insert(session.actor.get_id(), session);
            }
            NodeMsg::SessionReady(session) => {
                shell.strangers.settled(&session.actor.get_id());
                if !session.is_server {
                    shell.dials.ready(&session.peer_addr);
                }
                let peer = session.peer_name.as_ref().map(|p| p.name.clone()).unwrap_or_default();
                tracing::info!(peer, address = session.peer_addr, "connected with a node");
                shell.sessions.insert(session.actor.get_id(), session);
            }
            NodeMsg::SessionClosed(session) => shell.session_closed(&session),
            NodeMsg::DropSession { of } => shell.drop_session(of),
            NodeMsg::Leading(leading) => shell.lead(&me, leading).await,
            NodeMsg::Revive(child) => shell.revive(&me, child).await,
            NodeMsg::HostGateway(serve, reply) => {
                shell.host_gateway(&me, serve).await?;
                let _ = reply.send(());
            }
            NodeMsg::Stop => shell.stop(&me),
            NodeMsg::StopOver => me.stop(Some("stopped".into())),
            NodeMsg::Report(reply) => {
                let ready = shell.sessions.values().filter_map(|s| s.peer_name.as_ref().map(|p| p.name.clone()));
                let _ = reply.send(json!({
                    "roles": shell.roles(),
                    "peers": ready.collect::<Vec<_>>(),
                    "masters": shell.dials.report(),
                    "stopping": shell.stopping,
                    "pid": std::process::id(),
                }));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<NodeMsg>,
        event: SupervisionEvent,
        shell: &mut NodeShell,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, _, why) => shell.child_gone(&me, &cell, why.unwrap_or_default()),
            SupervisionEvent::ActorFailed(cell, why) => shell.child_gone(&me, &cell, why.to_string()),
            _ => {}
        }
        Ok(())
    }
}

impl NodeShell {
    fn roles(&self) -> Vec<&'static str> {
        let master = self.args.master.as_ref().map(|_| "master");
        master.into_iter().chain(self.args.worker.as_ref().map(|_| "worker")).collect()
    }

    /// Starts a child, if this node's roles have it.
    async fn start(&mut self, me: &ActorRef<NodeMsg>, child: Child) -> Result<(), SpawnErr> {
        let cell = match child {
            Child::Server => Some(self.start_server(me).await?),
            Child::Inspector => {
                let name = format!("inspector/{}-{:x}", self.args.node.name, rand::random::<u32>());
                let spawned = Actor::spawn_linked(Some(name), InspectorActor, self.board.clone(), me.get_cell());
                Some(spawned.await?.0.get_cell())
            }
            Child::Voter => match &self.args.master {
                Some(master) => {
                    let (name, board) = (self.args.node.name.clone(), self.board.clone());
                    let args = VoterArgs { name, ledger: master.ledger.clone(), board };
                    Some(Actor::spawn_linked(None, VoterActor, args, me.get_cell()).await?.0.get_cell())
                }
                None => None,
            },
            Child::Scheduler => match self.args.master.as_ref().filter(|_| self.leading) {
                Some(master) => {
                    let (ledger, board, seat) = (master.ledger.clone(), self.board.clone(), self.args.seat.clone());
                    let args = SchedulerArgs { ledger, board, seat, node: me.clone() };
                    Some(Actor::spawn_linked(None, SchedulerActor, args, me.get_cell()).await?.0.get_cell())
                }
                None => None,
            },
            Child::Member(index) => self.start_member(me, index).await?,
            Child::Gateway => match self.gateway.take() {
                Some((serve, _)) => Some(self.start_gateway(me, serve).await?),
                None => None,
            },
        };
        if let Some(cell) = cell {
            self.children.insert(child, cell);
        }
        Ok(())
    }

    async fn start_server(&mut self, me: &ActorRef<NodeMsg>) -> Result<ActorCell, SpawnErr> {
        let failed = |why: String| SpawnErr::StartupFailed(why.into());
        let (listen, security) = (self.args.node.listen, self.args.node.security.clone());
        wire::check(&security).await.map_err(failed)?;
        // Unique for each process, so that a restarted node never competes with its own dead connection.
        let unique = format!("{}-{:016x}", self.args.node.name, self.args.incarnation);
        let cookie = self.args.node.cookie.clone();
        let mode = Some(NodeConnectionMode::Isolated);
        let nobody = Some(wire::nobody().map_err(|e| failed(e.to_string()))?);
        let server = NodeServer::new(0, cookie, self.args.node.name.clone(), unique, nobody, mode);
        let server = server.with_listen_addr(Ipv4Addr::LOCALHOST.into());
        let (server, _) = Actor::spawn_linked(None, server, (), me.get_cell()).await?;
        let gate = Gate::new(GateLimits::default());
        let subscription = Box::new(Events { node: me.clone(), gate: gate.clone() });
        let subscribe = NodeServerMessage::SubscribeToEvents { id: "node".into(), subscription };
        server.send_message(subscribe).map_err(|e| SpawnErr::StartupFailed(e.to_string().into()))?;
        if let Some(earlier) = self.accepting.take() {
            earlier.abort();
        }
        // A node with port 0 is one that nobody dials.
        if listen.port() != 0 {
            let listener = TcpListener::bind(listen).await.map_err(|e| failed(e.to_string()))?;
            self.accepting = Some(tokio::spawn(wire::accept(listener, security, gate, server.clone())).abort_handle());
        }
        self.server = Some(server.clone());
        Ok(server.get_cell())
    }

    async fn start_member(&mut self, me: &ActorRef<NodeMsg>, index: usize) -> Result<Option<ActorCell>, SpawnErr> {
        let Some(worker) = &self.args.worker else { return Ok(None) };
        let Some(name) = worker.names.get(index) else { return Ok(None) };
        let args = MemberArgs {
            name: name.clone(),
            address: worker.advertise_addr.clone(),
            // A member that was started again is another one for the leader.
            incarnation: rand::random(),
            ttl: worker.keepalive_ttl,
            max_sources: worker.max_sources,
            hands_over: self.args.master.is_none(),
            config_toml: worker.config_toml.clone(),
            kit: self.args.kit.clone(),
            board: self.board.clone(),
            node: me.clone(),
        };
        let (member, _) = Actor::spawn_linked(None, MemberActor, args, me.get_cell()).await?;
        self.members.insert(index, member.clone());
        Ok(Some(member.get_cell()))
    }

    async fn start_gateway(&mut self, me: &ActorRef<NodeMsg>, serve: Serve) -> Result<ActorCell, SpawnErr> {
        let args = GatewayArgs { serve: serve.clone(), board: self.board.clone() };
        let (gateway, _) = Actor::spawn_linked(None, GatewayActor, args, me.get_cell()).await?;
        self.gateway = Some((serve, gateway.clone()));
        Ok(gateway.get_cell())
    }

    async fn host_gateway(&mut self, me: &ActorRef<NodeMsg>, serve: Serve) -> Result<(), SpawnErr> {
        if self.gateway.is_none() && !self.stopping {
            let cell = self.start_gateway(me, serve).await?;
            self.children.insert(Child::Gateway, cell);
        }
        Ok(())
    }

    fn tick(&mut self, me: &ActorRef<NodeMsg>) {
        let now = Instant::now();
        for session in self.strangers.overdue(now) {
            if let Some(info) = self.sessions.get(&session) {
                tracing::warn!(peer = info.peer_addr, "a connection did not introduce itself and is dropped");
                info.actor.stop(Some("handshake took too long".into()));
            }
        }
        if self.stopping {
            return;
        }
        let master = self.args.master.as_ref().map(|master| master.peers.clone());
        let worker = self.args.worker.as_ref().map(|worker| worker.masters.clone());
        // A master looks into its own log, which costs nothing and names the newcomers.
        if now >= self.find_at && (master.is_some() || self.dials.any_down()) {
            self.find_at = now + if master.is_some() { FIND_PEERS } else { FIND_MASTERS };
            let me = me.clone();
            tokio::spawn(async move {
                let mut addresses = Vec::new();
                for find in master.into_iter().chain(worker) {
                    addresses.extend(find().await);
                }
                let _ = me.send_message(NodeMsg::Masters(addresses));
            });
        }
        for address in self.dials.due(now) {
            let (me, security) = (me.clone(), self.args.node.security.clone());
            tokio::spawn(async move {
                let connect = tokio::time::timeout(DIAL_LIMIT, wire::dial(&address, &security)).await;
                let result = connect.unwrap_or_else(|late| Err(late.into()));
                let _ = me.send_message(NodeMsg::Dialled { address, result });
            });
        }
    }

    fn dialled(&mut self, address: &str, result: std::io::Result<Wire>) {
        let now = Instant::now();
        let (stream, peer) = match result {
            Ok(wire) => {
                let peer = wire.peer();
                (Box::new(wire), peer)
            }
            Err(why) => {
                tracing::debug!(address, error = %why, "a master can't be reached");
                return self.dials.failed(now, address, dice());
            }
        };
        if !self.dials.connected(now, address, &peer) {
            return;
        }
        let open = NodeServerMessage::ConnectionOpenedExternal { stream, is_server: false };
        if self.server.as_ref().is_none_or(|server| server.send_message(open).is_err()) {
            self.dials.closed(now, &peer, dice());
        }
    }

    fn session_closed(&mut self, session: &NodeServerSessionInformation) {
        let id = session.actor.get_id();
        self.strangers.settled(&id);
        self.sessions.remove(&id);
        if !session.is_server {
            tracing::warn!(address = session.peer_addr, "the connection to a master ended");
            self.dials.closed(Instant::now(), &session.peer_addr, dice());
        }
    }

    fn drop_session(&mut self, of: ActorId) {
        let ActorId::Remote { node_id, .. } = of else { return };
        if let Some(session) = self.sessions.values().find(|s| s.node_id == node_id) {
            tracing::warn!(address = session.peer_addr, "nothing comes back over a connection, it is opened anew");
            session.actor.stop(Some("nothing comes back".into()));
        }
    }

    fn child_gone(&mut self, me: &ActorRef<NodeMsg>, cell: &ActorCell, why: String) {
        let Some(child) = self.children.iter().find(|(_, c)| c.get_id() == cell.get_id()).map(|(child, _)| *child)
        else {
            return;
        };
        self.children.remove(&child);
        if let Child::Member(index) = child {
            self.members.remove(&index);
        }
        if self.stopping {
            return self.stop_if_done(me);
        }
        if child == Child::Scheduler && !self.leading {
            return;
        }
        tracing::error!(?child, why, "an actor of the node failed and is started again");
        if child == Child::Server {
            self.server = None;
            self.sessions.clear();
            self.strangers = Strangers::new();
            self.dials.all_closed(Instant::now());
        }
        me.send_after(REVIVE, move || NodeMsg::Revive(child));
    }

    /// Starts or ends the scheduler.
    async fn lead(&mut self, me: &ActorRef<NodeMsg>, leading: bool) {
        self.leading = leading;
        if leading {
            return self.revive(me, Child::Scheduler).await;
        }
        self.args.seat.leave();
        if let Some(cell) = self.children.remove(&Child::Scheduler) {
            tracing::warn!("this master no longer leads");
            cell.stop(Some("another master leads".into()));
        }
    }

    async fn revive(&mut self, me: &ActorRef<NodeMsg>, child: Child) {
        if self.stopping || self.children.contains_key(&child) {
            return;
        }
        if let Err(why) = self.start(me, child).await {
            tracing::error!(?child, error = %why, "an actor of the node can't be started, trying again");
            me.send_after(REVIVE, move || NodeMsg::Revive(child));
        }
    }

    fn stop(&mut self, me: &ActorRef<NodeMsg>) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        if let Some((_, gateway)) = &self.gateway {
            let _ = gateway.send_message(GatewayMsg::Stop);
        }
        for member in self.members.values() {
            let _ = member.send_message(Post::Own(MemberOwn::Retire));
        }
        me.send_after(STOP_LIMIT, || NodeMsg::StopOver);
        self.stop_if_done(me);
    }

    fn stop_if_done(&mut self, me: &ActorRef<NodeMsg>) {
        if !self.children.keys().any(|child| matches!(child, Child::Gateway | Child::Member(_))) {
            me.stop(Some("stopped".into()));
        }
    }
}
