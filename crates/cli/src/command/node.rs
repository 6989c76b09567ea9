//! `utilidor node`: the beginning of a chain, and a node that serves it.
//!
//! ```text
//! <data>/node.toml       where a node among several listens
//! <data>/genesis.json    the genesis document: the same for every member, and what proofs are checked with
//! <data>/keys/           the keystore: `validator` votes, `founder` acts; and the vote guard, which is never copied back
//! <data>/chain/          blocks, state, certification log
//! <data>/index.sqlite    the read model, which can be rebuilt
//! <data>/tokens.json     hashes of the read tokens of programs
//! <data>/oversight.jsonl the log of what supervisors looked at
//! ```
//!
//! [`backup`] copies it and takes it back, [`scrub`] finds damage in it, [`upgrade`] carries it over from an earlier release.

mod backup;
mod files;
mod moment;
mod scrub;
mod upgrade;

use super::keys::work_factor;
use super::network::founding::CARD_FILE;
use super::offer::now;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, read};
use crate::log;
use crate::node_file::{NodeFile, allow_without_guard, chain_config, listen_address};
use crate::output::warn;
use crate::said;
use crate::sentence::Said;
use crate::{say, t, units};
use clap::Subcommand;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use utilidor_api::{Settings, process};
use utilidor_chain::{DirectoryError, FORMAT, Held, write_durably};
use utilidor_sdk::{KeyKind, Keystore};
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::{Genesis, Role, Roles, Timestamp};

/// Where the HTTP interface listens unless said otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4_680);
/// Name of the key that votes.
pub const VALIDATOR: &str = "validator";
/// Name of the key of the first account.
pub const FOUNDER: &str = "founder";

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a chain of one member: its genesis document and keys
    #[command(after_help = "\
The chain is a development chain unless --production is given: its time begins at --time and moves when it is told to
('utilidor advance-time'). A production chain follows the clock. The keys are encrypted with the passphrase.

Example:
  utilidor node init --data town --time 2025-01-01T00:00:00+08:00
  utilidor node run --data town")]
    Init {
        /// The node's folder; created
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
        /// Follow the clock, instead of a time that is moved
        #[arg(long)]
        production: bool,
        /// The time before the first block [default: now]
        #[arg(long, value_parser = units::time)]
        time: Option<Timestamp>,
        /// What the founding member may do
        #[arg(long, value_delimiter = ',', default_value = "validator,issuer,meter_operator")]
        roles: Vec<Role>,
        /// Work that a passphrase guess costs: scrypt with N = 2 to this power, 8 (for tests only) to 20
        #[arg(long, env = "UTILIDOR_KEY_WORK", value_name = "LOG2_N", default_value_t = 17)]
        work: u8,
    },
    /// Run a node until it is interrupted (SIGINT or SIGTERM)
    #[command(after_help = "\
Prints its address once it listens. What is final stays, whenever and however it is stopped.
A node among several has a file node.toml in its folder, which 'utilidor network join' writes: where it listens for the others,
where its HTTP interface listens, and nodes that the genesis document does not name. It votes if its key is a validator's, and
follows if not, or if the file says that it is a follower.

Example:
  utilidor node run --data town --listen 127.0.0.1:4680")]
    Run {
        /// The node's folder
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
        /// Where the HTTP interface listens; port 0 takes any free port [default: as node.toml says, else 127.0.0.1:4680]
        #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
        listen: Option<SocketAddr>,
        /// A name that the node goes by, besides its addresses and localhost; once for each
        #[arg(long = "allow-host", value_name = "NAME", env = "UTILIDOR_ALLOW_HOSTS", value_delimiter = ',')]
        names: Vec<String>,
        /// What supervisors may ask to see, each time with a reason that stands in the log; 'none' for nothing
        #[arg(long, value_name = "CATEGORIES", default_value = "accounts,trade,meters")]
        oversight: String,
        /// Send traces to a collector of OpenTelemetry, by OTLP over HTTP [default: as node.toml says, else none]
        #[arg(long, value_name = "URL", env = "UTILIDOR_TRACES", hide_env_values = true)]
        traces: Option<String>,
        /// Vote at once although the vote guard is lost: only if the operators have agreed on it because too many guards are lost
        #[arg(long)]
        vote_without_guard: bool,
    },
    /// Copy what a node keeps, which may run, without its keys and its vote guard
    Backup(backup::Backup),
    /// Take a node's folder from a copy, of which every byte is checked first
    Restore(backup::Restore),
    /// Read every byte of a stopped node's folder, and say what is damaged and what to do
    Scrub(scrub::Arguments),
    /// Carry a folder that an earlier release wrote over to this one's format
    Upgrade(upgrade::Arguments),
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Init { data, production, time, roles, work } => {
            let kind = if production { ChainKind::Production } else { ChainKind::Development };
            init(&data, kind, time.unwrap_or_else(now), Roles::of(&roles), work, &context)
        }
        Command::Run { data, listen, names, oversight, traces, vote_without_guard } => {
            let categories = oversight.split(',').filter(|name| !["", "none"].contains(name));
            let oversight: Result<_, _> = categories.map(|name| read(said!("category", "类别"), name)).collect();
            let settings = Settings { names, oversight: oversight?, ..Settings::default() };
            let file = NodeFile::of_folder(&data)?;
            let traces = traces.or_else(|| file.as_ref().and_then(|file| file.traces.clone()));
            let traces = log::start_traced(traces.as_deref())?;
            let served = serve(&data, file, listen, settings, vote_without_guard, &context).await;
            tokio::task::spawn_blocking(|| traces.finish()).await.expect("sending traces does not panic");
            served
        }
        Command::Backup(arguments) => backup::backup(&arguments, &context),
        Command::Restore(arguments) => backup::restore(&arguments, &context),
        Command::Scrub(arguments) => scrub::run(arguments, context).await,
        Command::Upgrade(arguments) => upgrade::run(&arguments, &context),
    }
}

fn init(
    data: &Path,
    kind: ChainKind,
    time: Timestamp,
    roles: Roles,
    work: u8,
    context: &Context,
) -> Result<(), Failure> {
    let path = data.join("genesis.json");
    if path.exists() {
        return Err(Failure::new("node/exists", said!("{} holds a chain already", "{} 中已有一条链", data.display()))
            .next(said!("run it: utilidor node run --data {}", "运行：utilidor node run --data {}", data.display())));
    }
    if !roles.has(Role::Validator) {
        return Err(Failure::usage(said!(
            "a chain whose founder is no validator could admit nobody",
            "创始方不是验证方的链无法接纳任何成员"
        )));
    }
    if data.join(CARD_FILE).exists() {
        return Err(Failure::new(
            "node/exists",
            said!("the node of {} has joined a consortium", "{} 的节点已加入联盟", data.display()),
        )
        .next(install(data)));
    }
    let work = work_factor(work)?;
    let keystore = Keystore::of_folder(data.join("keys"));
    if [VALIDATOR, FOUNDER].iter().any(|name| keystore.info(name).is_ok()) {
        let what = said!(
            "{} holds a node's keys, and no chain; keys are never overwritten",
            "{} 中有节点的密钥，但没有链；密钥从不覆盖",
            data.display()
        );
        return Err(Failure::new("node/exists", what).next(said!(
            "begin the chain in another folder with --data, or move the folder's keys away",
            "用 --data 在另一文件夹中建链，或移走此文件夹中的密钥"
        )));
    }
    let passphrase = context.new_passphrase()?;
    let validator = keystore.create(VALIDATOR, KeyKind::Ed25519, &passphrase, work)?;
    let founder = keystore.create(FOUNDER, KeyKind::Ed25519, &passphrase, work)?;
    let account = founder.account.expect("a signing key controls an account");
    let first = GenesisMember { account, roles };
    let member = first.member();
    let validator = validator.public.parse().expect("the keystore wrote it");
    let members = vec![first].try_into().expect("one member is within the bound");
    let genesis = Genesis::alone(kind, time, validator, members, Limits::DEFAULT);
    let document = serde_json::to_string_pretty(&genesis).expect("a genesis document is plain data");
    write_durably(&path, document.as_bytes()).map_err(|error| {
        Failure::from_error("file", said!("could not write {}", "无法写入 {}", path.display()), &error)
    })?;
    let made = json!({
        "chain": genesis.chain(), "kind": kind, "time_ms": time, "genesis": path, "keys": keystore.folder(),
        "member": member, "account": account
    });
    context.out.show(&made, |out| {
        out.facts(vec![
            (t!("chain"), genesis.chain().to_string()),
            (t!("kind"), super::plain(&json!(kind))),
            (t!("time"), time.to_string()),
            (t!("member"), member.to_string()),
            (t!("account"), account.to_string()),
        ]) + &say!(
            out,
            "\n\nrun the node:   utilidor node run --data {0}\nuse its keys:   export UTILIDOR_KEYS={0}/keys UTILIDOR_AS={FOUNDER}",
            "\n\n运行节点：   utilidor node run --data {0}\n使用其密钥： export UTILIDOR_KEYS={0}/keys UTILIDOR_AS={FOUNDER}",
            data.display()
        )
    });
    Ok(())
}

async fn serve(
    data: &Path,
    file: Option<NodeFile>,
    listen: Option<SocketAddr>,
    mut settings: Settings,
    without_guard: bool,
    context: &Context,
) -> Result<(), Failure> {
    let context = context.with_keys(data.join("keys"));
    let listen = listen.or_else(|| file.as_ref().map(|file| file.http)).unwrap_or(DEFAULT_LISTEN);
    settings.names.extend(file.iter().flat_map(|file| file.allow_hosts.clone()));
    let mut chain = chain_config(data, file.as_ref(), &context)?;
    if without_guard {
        allow_without_guard(&mut chain);
    }
    let config = process::Config { chain, index: data.join("index.sqlite"), listen, settings };
    // Before the node starts, so that no signal is missed.
    let stop = serve_signal()?;
    let mut process = process::start(config).await.map_err(|error| {
        let failure = Failure::from_error("node/start", said!("the node did not start", "节点没有启动"), &error);
        match error {
            process::StartError::Chain(utilidor_chain::StartError::Failed(_)) => failure.next(said!(
                "find out what is damaged, and what to do: utilidor node scrub --data {}",
                "查明损坏之处和处理办法：utilidor node scrub --data {}",
                data.display()
            )),
            process::StartError::Chain(utilidor_chain::StartError::Directory(DirectoryError::OtherFormat {
                ..
            })) => failure.next(said!(
                "carry it over, after a copy: utilidor node upgrade --data {}",
                "先备份，再转换：utilidor node upgrade --data {}",
                data.display()
            )),
            process::StartError::Chain(utilidor_chain::StartError::Directory(DirectoryError::InUse { .. })) => failure
                .next(said!(
                    "it runs already: utilidor doctor --data {}",
                    "节点已在运行：utilidor doctor --data {}",
                    data.display()
                )),
            process::StartError::Listen { .. } => failure.next(said!(
                "this folder's node runs already, or another process has the port: \
                 utilidor doctor --data {}; another address: --listen",
                "此文件夹的节点已在运行，或端口被另一进程占用：utilidor doctor --data {}；另选地址：\
                 --listen",
                data.display()
            )),
            process::StartError::Index { .. } => failure.next(said!(
                "build the read model again: utilidor index rebuild --data {}",
                "重建读取模型：utilidor index rebuild --data {}",
                data.display()
            )),
            _ => failure,
        }
    })?;
    warn_beyond_loopback(process.address());
    let address = format!("http://{}", process.address());
    context.out.show(&json!({ "listening": address }), |out| format!("{} {address}", out.word(t!("listening"))));
    tokio::select! {
        () = stop => {}
        () = process.failed() => {}
    }
    process.stop().await.map_err(|error| {
        let next = said!(
            "find out what is damaged, and what to do: utilidor node scrub --data {}",
            "查明损坏之处和处理办法：utilidor node scrub --data {}",
            data.display()
        );
        Failure::from_error("node/failed", said!("the node failed", "节点出现故障"), &error).next(next)
    })?;
    context.out.show(&json!({ "stopped": true }), |out| out.word(t!("stopped")).into());
    Ok(())
}

/// Says what it means that others can reach a node.
pub fn warn_beyond_loopback(address: SocketAddr) {
    if !address.ip().is_loopback() {
        warn(&said!(
            "the node listens on {address}: nothing on the way is encrypted, so whoever listens in can read what is answered, and \
             use the tokens that are sent; put a gateway with TLS before it, or listen on 127.0.0.1",
            "节点监听于 {address}：传输未加密，窃听者可读到应答，并可使用所发送的令牌；请在其前设置 TLS 网关，或监听于 127.0.0.1"
        ));
    }
}

/// The genesis document of a node's folder.
pub fn read_genesis(data: &Path) -> Result<Genesis, Failure> {
    let path = data.join("genesis.json");
    if !path.exists() {
        return Err(Failure::new(
            "node/unknown",
            said!("{} holds no chain: there is no genesis.json", "{} 中没有链：缺少 genesis.json", data.display()),
        )
        .next(match (data.join("chain/genesis.json").exists(), data.join(CARD_FILE).exists()) {
            (true, _) => {
                said!(
                    "the chain has its own copy: cp {0}/chain/genesis.json {0}/genesis.json",
                    "链的文件夹中存有一份：cp {0}/chain/genesis.json {0}/genesis.json",
                    data.display()
                )
            }
            (false, true) => install(data),
            (false, false) => said!(
                "begin one: utilidor node init --data {}",
                "建立新链：utilidor node init --data {}",
                data.display()
            ),
        }));
    }
    document::read(&path, said!("genesis document", "创世文件"), "node init --help")
}

/// What an organisation does that has joined a consortium, and has no chain yet.
fn install(data: &Path) -> Said {
    said!(
        "take in the document that all founders have signed: \
         utilidor network install GENESIS SIGNATURE... --data {}",
        "放入所有创始方已签署的文件：utilidor network install GENESIS SIGNATURE... --data {}",
        data.display()
    )
}

/// Holds a stopped node's chain, so that no node starts meanwhile.
pub fn hold(chain: &Path) -> Result<Held, Failure> {
    utilidor_chain::hold(chain).map_err(|error| not_held(&error))
}

fn not_held(error: &DirectoryError) -> Failure {
    let next = match error {
        DirectoryError::InUse { .. } => said!("stop the node first", "请先停止节点"),
        _ => said!(
            "name a node's folder: it holds genesis.json and chain/",
            "指定一个节点的文件夹：其中有 genesis.json 和 chain/"
        ),
    };
    Failure::from_error("node/folder", said!("the folder cannot be held", "无法占用该文件夹"), error).next(next)
}

/// The data format of a chain's folder, which this release or an earlier one wrote.
fn format_of(chain: &Path) -> Result<u32, Failure> {
    let found = utilidor_chain::read_format(chain)
        .map_err(|error| {
            Failure::from_error("node/folder", said!("the folder cannot be read", "无法读取该文件夹"), &error)
        })?
        .unwrap_or_default();
    found.parse().ok().filter(|format| *format <= FORMAT).ok_or_else(|| {
        Failure::new(
            "node/format",
            said!(
                "the folder's data format is {found:?}; this release knows formats up to {FORMAT}",
                "文件夹的数据格式为 {found:?}；本版本只认识到格式 {FORMAT}"
            ),
        )
        .next(said!("take the release that wrote it, or a later one", "请用写成它的版本或更新的版本"))
    })
}

/// Refuses a chain's folder of another format than this release's.
fn own_format(chain: &Path) -> Result<(), Failure> {
    match format_of(chain)? {
        FORMAT => Ok(()),
        found => {
            let what = said!(
                "the folder has data format {found}, this release's is {FORMAT}",
                "文件夹的数据格式为 {found}，本版本的为 {FORMAT}"
            );
            Err(Failure::new("node/format", what).next(said!(
                "carry it over, after a copy: utilidor node upgrade --help",
                "先备份，再转换：utilidor node upgrade --help"
            )))
        }
    }
}

/// Completes when the process is asked to stop. Signals count from this call on.
pub fn serve_signal() -> Result<impl Future<Output = ()>, Failure> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let failed =
            |error| Failure::from_error("signal", said!("could not listen for signals", "无法接收信号"), &error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // Without signals the node runs until its process is ended; nothing final is lost by that.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
