//! A secret behind a handle.

use crate::{Failed, parse, read, write};
use utilidor_sdk::core::{key_file::WorkFactor, keys, random};
use utilidor_sdk::{KeyFile, KeyKind, Passphrase, SealKey, Signer};
use utilidor_types::operator::AdvanceTime;
use utilidor_types::session::{OversightWish, SignIn};
use utilidor_types::transaction::MAX_TRANSACTION_BYTES;
use utilidor_types::{ChainId, MemberId, PrivateKey, SealedQuote, Timestamp, Transaction, decode, encode};
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

/// A key whose secret is in this module's memory until [`Key::free`] wipes it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Key {
    kind: KeyKind,
    secret: Hidden,
    public: String,
}

/// A secret that is never shown.
struct Hidden(keys::Secret);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hidden")
    }
}

/// What was signed: the bytes that a node takes, and the hash that they will be known by.
#[wasm_bindgen(getter_with_clone)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signed transaction in its canonical bytes, in hex.
    pub bytes: String,
    /// Its hash.
    pub hash: String,
}

#[wasm_bindgen]
impl Key {
    /// A new key of a kind: `ed25519`, `p256`, `seal`.
    pub fn generate(kind: &str) -> Result<Key, Failed> {
        let kind = kind_of(kind)?;
        let secret = random::secret(kind).map_err(|error| Failed::of("there is no new key", &error))?;
        Self::of(kind, secret)
    }

    /// The key in a key file of the command line.
    pub fn open(file: &str, passphrase: &str) -> Result<Key, Failed> {
        let file = KeyFile::parse(file.as_bytes()).map_err(|error| Failed::of("the file cannot be read", &error))?;
        let secret = file.unlock(&Passphrase::new(passphrase));
        Self::of(file.kind(), secret.map_err(|error| Failed::of("the key stays locked", &error))?)
    }

    /// The key of 32 bytes in hex: for the throw-away keys of a demonstration.
    pub fn of_secret(kind: &str, hex: &str) -> Result<Key, Failed> {
        let mut secret = Zeroizing::new([0; keys::SECRET_BYTES]);
        hex::decode_to_slice(hex.trim(), secret.as_mut_slice())
            .map_err(|error| Failed::of("a secret is 32 bytes in hex", &error))?;
        Self::of(kind_of(kind)?, secret)
    }

    fn of(kind: KeyKind, secret: keys::Secret) -> Result<Self, Failed> {
        let public = kind.public(&secret).ok_or_else(|| Failed(format!("the bytes are no secret of kind {kind}")))?;
        Ok(Self { kind, secret: Hidden(secret), public })
    }

    /// What it is for.
    pub fn kind(&self) -> String {
        self.kind.name().into()
    }

    /// The public half, as key files have it.
    pub fn public(&self) -> String {
        self.public.clone()
    }

    /// The account that it controls; none for a seal key.
    pub fn account(&self) -> Option<String> {
        self.signing().ok().map(|key| utilidor_types::AccountId::of(&key.public_key()).to_string())
    }

    /// A key file of the command line with this key under a passphrase. `work` is the power of two that a guess costs: 17 for
    /// keys that control money.
    pub fn lock(&self, passphrase: &str, work: u8) -> Result<String, Failed> {
        let factor = WorkFactor::new(work).ok_or_else(|| Failed(format!("2^{work} is no work factor")))?;
        let file = KeyFile::lock(self.kind, &self.secret.0, &Passphrase::new(passphrase), factor);
        let file = file.map_err(|error| Failed::of("there is no key file", &error))?;
        String::from_utf8(file.to_json()).map_err(|error| Failed::of("the key file is no text", &error))
    }

    /// The bytes of a transaction of this key's account, to be shown (`decode_transaction`) and then signed. `action` in JSON.
    pub fn prepare(&self, chain: &str, nonce: f64, expires: f64, action: &str) -> Result<Vec<u8>, Failed> {
        let action = read("the action", action)?;
        let signer = Signer::new(parse("chain", chain)?, self.signing()?);
        Ok(encode(&signer.transaction(action, whole(nonce)?, whole(expires)?)))
    }

    /// Signs the bytes of a transaction of this key's account.
    pub fn sign(&self, bytes: &[u8]) -> Result<Signed, Failed> {
        let transaction: Transaction =
            decode(bytes, MAX_TRANSACTION_BYTES).map_err(|error| Failed::of("the bytes are no transaction", &error))?;
        let signer = Signer::new(transaction.chain, self.signing()?);
        if transaction.signer != signer.public_key() {
            return Err(Failed(format!("the transaction is of {}, this key is {}", transaction.signer, self.public)));
        }
        let signed = signer.sign(&transaction);
        Ok(Signed { bytes: hex::encode(signed.bytes()), hash: signed.hash().to_string() })
    }

    /// What an offer says whose quotes are to be sealed to this key, in JSON.
    pub fn seal(&self) -> Result<String, Failed> {
        write(&self.seal_key()?.seal())
    }

    /// What a quote says that was sealed to this key, in JSON. `quote` in JSON.
    pub fn open_quote(&self, chain: &str, bidder: &str, quote: &str) -> Result<String, Failed> {
        let quote: SealedQuote = read("the quote", quote)?;
        let opening = self.seal_key()?.open_quote(&quote, parse("chain", chain)?, parse("account", bidder)?);
        write(&opening.map_err(|error| Failed::of("the quote stays sealed", &error))?)
    }

    /// This key's account as a further one of a member, in JSON: what the action of opening an account takes.
    pub fn as_account_of(&self, chain: &str, member: &str) -> Result<String, Failed> {
        let member: MemberId = parse("member", member)?;
        write(&self.signer(chain)?.as_account_of(member))
    }

    /// This key's account as the first one of a new member, in JSON: what its admission takes.
    pub fn as_first_account(&self, chain: &str) -> Result<String, Failed> {
        write(&self.signer(chain)?.as_first_account())
    }

    /// The wish that a development chain's time be `to_ms`, signed, in JSON.
    pub fn advance_time(&self, chain: &str, to_ms: f64) -> Result<String, Failed> {
        let chain: ChainId = parse("chain", chain)?;
        write(&AdvanceTime::sign(chain, Timestamp(whole(to_ms)?), &self.signing()?))
    }

    /// The answer to a node's challenge, in JSON: what signing in takes. `node` is the host and port of the node's address.
    pub fn sign_in(&self, chain: &str, node: &str, challenge: &str) -> Result<String, Failed> {
        let (chain, node) = (parse("chain", chain)?, parse("name of a node", node)?);
        write(&SignIn::sign(chain, node, read("the challenge", &write(&challenge)?)?, &self.signing()?))
    }

    /// A supervisor's signed wish to see what is not its own, in JSON. `node` is the host and port of the node's address; `subject`
    /// in JSON; `after` is the digest of the last entry of the node's log that was seen.
    pub fn oversee(
        &self,
        chain: &str,
        node: &str,
        category: &str,
        subject: &str,
        reason: &str,
        after: &str,
    ) -> Result<String, Failed> {
        let what = (parse("category", category)?, read("the subject", subject)?);
        let (chain, node) = (parse("chain", chain)?, parse("name of a node", node)?);
        let (reason, after) = (parse("reason", reason)?, parse("digest", after)?);
        write(&OversightWish::sign(chain, node, what, reason, after, &self.signing()?))
    }

    fn signing(&self) -> Result<PrivateKey, Failed> {
        keys::signing_key(self.kind, &self.secret.0).ok_or_else(|| Failed("a seal key signs nothing".into()))
    }

    fn signer(&self, chain: &str) -> Result<Signer, Failed> {
        Ok(Signer::new(parse("chain", chain)?, self.signing()?))
    }

    fn seal_key(&self) -> Result<SealKey, Failed> {
        match self.kind {
            KeyKind::Seal => Ok(SealKey::from_secret(&self.secret.0)),
            KeyKind::Ed25519 | KeyKind::P256 => Err(Failed("a signing key opens no quotes".into())),
        }
    }
}

/// What a key file says without its passphrase, in JSON: its kind, public half and account.
#[wasm_bindgen]
pub fn key_file_info(file: &str, name: &str) -> Result<String, Failed> {
    let file = KeyFile::parse(file.as_bytes()).and_then(|file| file.info(name));
    write(&file.map_err(|error| Failed::of("the file cannot be read", &error))?)
}

fn kind_of(name: &str) -> Result<KeyKind, Failed> {
    read("the kind", &write(&name)?)
}

/// A whole number as JavaScript has it: exact up to 2^53.
fn whole(number: f64) -> Result<u64, Failed> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && (0.0..=LIMIT).contains(&number) {
        return Ok(number as u64);
    }
    Err(Failed(format!("{number} is no whole number from 0 to 2^53")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &str = "07070707070707070707070707070707";
    const TRANSFER: &str = r#"{"transfer":{"to":"0909090909090909090909090909090909090909090909090909090909090909","amount":"1.000000","reference":"rent"}}"#;

    fn key(byte: u8) -> Key {
        Key::of_secret("ed25519", &hex::encode([byte; 32])).unwrap()
    }

    #[test]
    fn a_key_comes_back_from_its_file() {
        let file = key(3).lock("correct horse", 8).unwrap();
        assert_eq!(Key::open(&file, "correct horse").unwrap().public(), key(3).public());
        assert!(Key::open(&file, "battery staple").unwrap_err().0.contains("does not open the key"));
        assert!(key_file_info(&file, "mine").unwrap().contains(&key(3).account().unwrap()));
    }

    #[test]
    fn signs_what_was_shown_and_nothing_of_another_key() {
        let bytes = key(3).prepare(CHAIN, 5.0, 99.0, TRANSFER).unwrap();
        let signed = key(3).sign(&bytes).unwrap();
        assert_eq!(&signed.bytes[..bytes.len() * 2], hex::encode(&bytes));
        assert!(key(4).sign(&bytes).unwrap_err().0.starts_with("the transaction is of"));
        assert!(key(3).sign(&bytes[1..]).unwrap_err().0.starts_with("the bytes are no transaction"));
    }

    #[test]
    fn answers_a_challenge_for_one_chain_and_node() {
        let answer = key(3).sign_in(CHAIN, "localhost:4680", &"05".repeat(32)).unwrap();
        let answer: SignIn = serde_json::from_str(&answer).unwrap();
        assert_eq!(&*answer.node, "localhost:4680");
        assert!(answer.holds(CHAIN.parse().unwrap()) && !answer.holds(ChainId([8; 16])));
        assert!(
            key(3).sign_in(CHAIN, "localhost:4680", "05").unwrap_err().0.starts_with("the challenge cannot be read")
        );
    }

    #[test]
    fn a_supervisor_signs_its_reason() {
        let oversee = |category, reason| {
            key(3).oversee(CHAIN, "localhost:4680", category, r#""everything""#, reason, &"00".repeat(32))
        };
        let wish: OversightWish = serde_json::from_str(&oversee("meters", "complaint 7").unwrap()).unwrap();
        assert!(wish.holds(CHAIN.parse().unwrap()) && &*wish.node == "localhost:4680");
        assert!(oversee("all", "").is_err());
    }

    #[test]
    fn refuses_numbers_that_javascript_has_already_rounded() {
        assert!(key(3).prepare(CHAIN, 0.5, 9.0, TRANSFER).is_err());
        assert!(key(3).prepare(CHAIN, -1.0, 9.0, TRANSFER).is_err());
        assert!(key(3).prepare(CHAIN, 1e17, 9.0, TRANSFER).is_err());
    }
}
