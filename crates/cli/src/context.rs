//! Which node, which key, which passphrase: what most commands need before they can call anything.

use crate::arguments::Global;
use crate::command::node::VALIDATOR;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, note, warn};
use crate::said;
use crate::sentence;
use crate::sentence::Said;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use utilidor_sdk::core::keys::Secret;
use utilidor_sdk::keystore::others_may_read;
use utilidor_sdk::{Account, Client, Keystore, Passphrase, SealKey};
use utilidor_types::{AccountId, ChainId, PrivateKey, PublicKey, TransactionHash};

/// Longest document that is read, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;

/// What a command works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where answers go.
    pub out: Output,
    global: Global,
}

impl Context {
    /// Takes the options that all commands share.
    pub fn new(global: Global) -> Result<Self, Failure> {
        let lang = global.lang.unwrap_or_else(sentence::lang);
        Ok(Self { out: Output { json: global.json, lang, offset_minutes: global.offset }, global })
    }

    /// The node, asked by the key that acts where something is not for everybody. The key is unlocked when it is needed; where
    /// there is none, or nobody to ask for its passphrase, the node is asked by nobody in particular.
    pub fn client(&self) -> Result<Client, Failure> {
        let client = Client::new(&self.global.node)?;
        if let Ok(token) = std::env::var("UTILIDOR_TOKEN") {
            return Ok(client.with_token(&token));
        }
        let context = self.clone();
        Ok(client.acting_by(move |chain| context.key_to_sign_in(chain).map_err(|failure| failure.what().to_string())))
    }

    fn key_to_sign_in(&self, chain: ChainId) -> Result<Option<PrivateKey>, Failure> {
        // The demonstration's keys protect nothing and are in no keystore.
        if chain == utilidor_park::genesis().chain() {
            return Ok(Some(match &self.global.acting {
                Some(name) => utilidor_park::cast::account_key(name),
                None => PrivateKey::ed25519(utilidor_park::validator_secret()),
            }));
        }
        if self.global.acting.is_none() && self.keystore()?.info(VALIDATOR).is_ok() {
            return self.key_if_unlocked(VALIDATOR);
        }
        match self.acting_key() {
            Ok(name) => self.key_if_unlocked(&name),
            Err(_) => Ok(None),
        }
    }

    fn key_if_unlocked(&self, name: &str) -> Result<Option<PrivateKey>, Failure> {
        if !self.has_passphrase() {
            return Ok(None);
        }
        self.signing_key(name).map(Some)
    }

    /// Whether a passphrase is given, or somebody can be asked for it.
    fn has_passphrase(&self) -> bool {
        self.global.passphrase_file.is_some()
            || std::env::var_os("UTILIDOR_PASSPHRASE").is_some()
            || std::io::stdin().is_terminal()
    }

    /// The keystore.
    pub fn keystore(&self) -> Result<Keystore, Failure> {
        let folder = match &self.global.keys {
            Some(folder) => folder.clone(),
            None => default_keys()?,
        };
        Ok(Keystore::of_folder(folder))
    }

    /// The same context with another keystore.
    pub fn with_keys(&self, folder: PathBuf) -> Self {
        let mut context = self.clone();
        context.global.keys = Some(folder);
        context
    }

    /// The passphrase: from a file, the environment or the terminal, in this order.
    pub fn passphrase(&self) -> Result<Passphrase, Failure> {
        if let Some(path) = &self.global.passphrase_file {
            if others_may_read(path) {
                warn(&said!(
                    "other users may read the passphrase in {0}: chmod 600 {0}",
                    "其他用户可以读取 {0} 中的口令：chmod 600 {0}",
                    path.display()
                ));
            }
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::from_error(
                    "passphrase",
                    said!("could not read the passphrase file {}", "无法读取口令文件 {}", path.display()),
                    &error,
                )
            })?;
            return Ok(Passphrase::new(text));
        }
        if let Ok(text) = std::env::var("UTILIDOR_PASSPHRASE") {
            return Ok(Passphrase::new(text));
        }
        if !std::io::stdin().is_terminal() {
            let what = said!(
                "no passphrase is given and there is no terminal to ask at",
                "没有给出口令，也没有可以询问的终端"
            );
            return Err(Failure::new("passphrase", what).next(said!(
                "give it with --passphrase-file FILE or in UTILIDOR_PASSPHRASE",
                "用 --passphrase-file FILE 或 UTILIDOR_PASSPHRASE 给出口令"
            )));
        }
        Ok(Passphrase::new(ask(&said!("passphrase: ", "口令："))?))
    }

    /// A passphrase for something new; asked for twice at a terminal.
    pub fn new_passphrase(&self) -> Result<Passphrase, Failure> {
        let given = self.global.passphrase_file.is_some() || std::env::var_os("UTILIDOR_PASSPHRASE").is_some();
        if given || !std::io::stdin().is_terminal() {
            return self.passphrase();
        }
        let first = ask(&said!("new passphrase: ", "新口令："))?;
        if ask(&said!("again: ", "再次输入："))? != first {
            return Err(Failure::new("passphrase", said!("the two passphrases differ", "两次输入的口令不同")));
        }
        Ok(Passphrase::new(first))
    }

    /// The name of the key that acts.
    fn acting_key(&self) -> Result<String, Failure> {
        if let Some(name) = &self.global.acting {
            return Ok(name.clone());
        }
        let keys = self.keystore()?.list()?;
        let mut signing = keys.iter().filter(|key| key.account.is_some());
        match (signing.next(), signing.next()) {
            (Some(key), None) => Ok(key.name.clone()),
            (None, _) => Err(Failure::new("key/none", said!("there is no key to act with", "没有可用于操作的密钥"))
                .next(said!("make one: utilidor keys new NAME", "新建密钥：utilidor keys new NAME"))),
            (Some(_), Some(_)) => {
                Err(Failure::usage(said!("there are several keys: which one acts?", "有多个密钥：用哪一个操作？"))
                    .next(said!("say so with --as NAME or UTILIDOR_AS", "用 --as NAME 或 UTILIDOR_AS 说明")))
            }
        }
    }

    /// The signing key that acts, unlocked.
    pub fn signing_key(&self, name: &str) -> Result<PrivateKey, Failure> {
        let keystore = self.keystore()?;
        // Before a passphrase is asked for.
        keystore.info(name)?;
        warn_if_exposed(&keystore, name);
        Ok(keystore.signing_key(name, &self.passphrase()?)?)
    }

    /// The public key of a signing key, which stays locked.
    pub fn public_key(&self, name: &str) -> Result<PublicKey, Failure> {
        let public = self.keystore()?.info(name)?.public;
        public.parse().map_err(|_| {
            Failure::usage(said!("key {name:?} is a seal key: it signs nothing", "密钥 {name:?} 是密封密钥：不能签名"))
        })
    }

    /// The secret of the key that a node votes with or is known by, unlocked.
    pub fn node_secret(&self) -> Result<Secret, Failure> {
        let keystore = self.keystore()?;
        warn_if_exposed(&keystore, VALIDATOR);
        Ok(keystore.ed25519_secret(VALIDATOR, &self.passphrase()?)?)
    }

    /// The key that moves the time of a development chain: the one that acts, else the one that the node of this keystore votes
    /// with.
    pub fn operator_key(&self) -> Result<PrivateKey, Failure> {
        if self.global.acting.is_none() && self.keystore()?.info(VALIDATOR).is_ok() {
            return self.signing_key(VALIDATOR);
        }
        self.signing_key(&self.acting_key()?)
    }

    /// A seal key, unlocked.
    pub fn seal_key(&self, name: &str) -> Result<SealKey, Failure> {
        let keystore = self.keystore()?;
        keystore.info(name)?;
        warn_if_exposed(&keystore, name);
        Ok(keystore.seal_key(name, &self.passphrase()?)?)
    }

    /// The key that acts, unlocked.
    pub fn acting_signing_key(&self) -> Result<PrivateKey, Failure> {
        self.signing_key(&self.acting_key()?)
    }

    /// The account that acts.
    pub async fn account(&self) -> Result<Account, Failure> {
        let mut client = Client::new(&self.global.node)?;
        if !self.out.json {
            client = client.telling_of_waits(note_wait);
        }
        Ok(Account::open(client, self.acting_signing_key()?).await?)
    }

    /// The id of the account that acts, without unlocking its key.
    pub fn acting_account(&self) -> Result<AccountId, Failure> {
        self.account_of_key(&self.acting_key()?)
    }

    /// An account by its id, by the beginning of its id, or by the name of its key.
    pub async fn account_id(&self, text: &str) -> Result<AccountId, Failure> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        // Names go first: a beginning can be written longer.
        if self.keystore()?.info(text).is_ok() {
            return self.account_of_key(text);
        }
        if let Some(id) = self.of_the_demonstration(text).await {
            return Ok(id);
        }
        match text.parse::<Given<AccountId>>() {
            Ok(beginning) => self.id(&beginning).await,
            Err(shape) => Err(Failure::usage(said!(
                "{text:?} is neither an account nor a key of yours: {shape}",
                "{text:?} 既不是账户，也不是自己的密钥：{shape}"
            ))
            .next(said!(
                "list your keys: utilidor keys list; list the accounts: utilidor account list",
                "列出自己的密钥：utilidor keys list；列出账户：utilidor account list"
            ))),
        }
    }

    /// The account of a participant of the demonstration by its name, where that is what the node plays.
    async fn of_the_demonstration(&self, name: &str) -> Option<AccountId> {
        let account = utilidor_park::cast::participant(name)?;
        let status = Client::new(&self.global.node).ok()?.status().await.ok()?;
        (status.chain == utilidor_park::genesis().chain()).then_some(account)
    }

    /// The same, where one was written.
    pub async fn account_or_none(&self, text: Option<&str>) -> Result<Option<AccountId>, Failure> {
        match text {
            Some(text) => self.account_id(text).await.map(Some),
            None => Ok(None),
        }
    }

    /// The account that a key of the keystore controls, by the key's name.
    pub fn account_of_key(&self, name: &str) -> Result<AccountId, Failure> {
        let account = self.keystore()?.info(name)?.account;
        account.ok_or_else(|| {
            let what =
                said!("key {name:?} is a seal key: it controls no account", "密钥 {name:?} 是密封密钥：不控制任何账户");
            Failure::usage(what)
        })
    }
}

/// Says what is waited for: whoever gives up must be able to ask later, not pay twice.
fn note_wait(transactions: &[TransactionHash]) {
    let [first, others @ ..] = transactions else { return };
    let several = others.len() + 1;
    note(&match others {
        [] => said!(
            "not final yet: transaction {first}; waiting. If interrupted, see what became of it before doing it again: utilidor \
             transaction {first}",
            "交易 {first} 尚未最终确定，正在等待。如果中断，重做之前请先查看其结果：utilidor transaction {first}"
        ),
        _ => said!(
            "not final yet: {several} transactions, the first {first}; waiting. If interrupted, see what became of them before \
             doing it again: utilidor transaction {first}",
            "{several} 笔交易尚未最终确定，首笔为 {first}，正在等待。如果中断，重做之前请先查看其结果：utilidor transaction {first}"
        ),
    });
}

/// Asks at the terminal.
fn ask(prompt: &Said) -> Result<String, Failure> {
    rpassword::prompt_password(prompt).map_err(|error| {
        Failure::from_error("passphrase", said!("could not read the passphrase", "无法读取口令"), &error)
    })
}

fn warn_if_exposed(keystore: &Keystore, name: &str) {
    if let Some(path) = keystore.exposed(name) {
        warn(&said!(
            "other users may read the key file {0}, which only its passphrase protects: chmod 600 {0}",
            "其他用户可以读取密钥文件 {0}，它只受口令保护：chmod 600 {0}",
            path.display()
        ));
    }
}

fn default_keys() -> Result<PathBuf, Failure> {
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    data.map(|data| data.join("utilidor/keys")).ok_or_else(|| {
        Failure::usage(said!("there is no home folder to keep keys in", "没有可存放密钥的主文件夹"))
            .next(said!("name a folder with --keys or UTILIDOR_KEYS", "用 --keys 或 UTILIDOR_KEYS 指定文件夹"))
    })
}

/// Reads a file, or standard input for `-`.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::NotFound => {
                said!("name a file that is there; `-` is standard input", "指定一个存在的文件；`-` 表示标准输入")
            }
            std::io::ErrorKind::PermissionDenied => said!(
                "let this user read it, or give it by standard input: `-`",
                "让当前用户可读取它，或由标准输入给出：`-`"
            ),
            _ => said!("name a file that can be read; `-` is standard input", "指定一个可读取的文件；`-` 表示标准输入"),
        };
        Failure::from_error("file", said!("could not read {}", "无法读取 {}", path.display()), &error).next(next)
    })?;
    Ok(bytes)
}
