//! Who a client is to its node: it signs in with a key when something is asked for that is not for everybody, and again when
//! the session has ended. Or it shows a read token that an account has made for it.

use super::client::{Client, ClientError, problem};
use reqwest::{Method, StatusCode};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;
use utilidor_types::encoding::Text;
use utilidor_types::session::{Category, MAX_NODE_BYTES, MAX_OVERSIGHT_REASON_BYTES, OversightWish, SignIn, Subject};
use utilidor_types::{ChainId, Digest, PrivateKey};
use utilidor_view::{ChallengeView, NewToken, OversightView, Page, SessionView, TokenView, TokenWish};

/// What is for everybody: nobody signs in for it. Transactions are for whoever has their hashes.
const FOR_EVERYBODY: [&str; 7] = [
    "v1/status",
    "v1/genesis",
    "v1/problems",
    "v1/transactions",
    "v1/session/challenge",
    "v1/packages",
    "v1/development",
];

/// Gives the key to sign in with on a chain, when it is needed; none: go on as nobody in particular.
type Keys = dyn Fn(ChainId) -> Result<Option<PrivateKey>, String> + Send + Sync;

/// Who a client is.
pub(super) struct Identity {
    keys: Option<Box<Keys>>,
    /// The token, once there is one; the inner one is none where nobody could sign in.
    token: Mutex<Option<Option<String>>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Client {
    /// The same node, signed in to with this key as soon as something is asked for that is not for everybody.
    #[must_use]
    pub fn acting_as(&self, key: PrivateKey) -> Self {
        self.acting_by(move |_| Ok(Some(key.clone())))
    }

    /// The same, with a key that is asked for when it is needed.
    #[must_use]
    pub fn acting_by(
        &self,
        keys: impl Fn(ChainId) -> Result<Option<PrivateKey>, String> + Send + Sync + 'static,
    ) -> Self {
        let identity = Identity { keys: Some(Box::new(keys)), token: Mutex::new(None) };
        Self { identity: Some(Arc::new(identity)), ..self.clone() }
    }

    /// The same node, with a token that was made for this program.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        let identity = Identity { keys: None, token: Mutex::new(Some(Some(token.into()))) };
        Self { identity: Some(Arc::new(identity)), ..self.clone() }
    }

    /// Whether it is somebody in particular.
    pub const fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// The token to ask for `path` with, if one is needed and to be had.
    pub(super) async fn token_for(&self, path: &str) -> Result<Option<String>, ClientError> {
        let Some(identity) =
            self.identity.as_ref().filter(|_| !FOR_EVERYBODY.iter().any(|open| path.starts_with(open)))
        else {
            return Ok(None);
        };
        let mut token = identity.token.lock().await;
        if token.is_none()
            && let Some(keys) = &identity.keys
        {
            *token = Some(self.sign_in_by(keys).await?.map(|session| session.token));
        }
        Ok(token.clone().flatten())
    }

    /// The token is none any more: the next request signs in again.
    pub(super) async fn forget_token(&self, old: Option<&str>) {
        if let Some(identity) = self.identity.as_ref().filter(|identity| identity.keys.is_some()) {
            let mut token = identity.token.lock().await;
            if token.as_ref().is_some_and(|token| token.as_deref() == old) {
                *token = None;
            }
        }
    }

    /// Signs in with a key. None: the node knows no sessions.
    pub async fn sign_in(&self, key: &PrivateKey) -> Result<Option<NewToken>, ClientError> {
        self.sign_in_by(&|_| Ok(Some(key.clone()))).await
    }

    async fn sign_in_by(
        &self,
        keys: &(dyn Fn(ChainId) -> Result<Option<PrivateKey>, String> + Sync),
    ) -> Result<Option<NewToken>, ClientError> {
        const PATH: &str = "v1/session/challenge";
        let answer = self.request(Method::POST, PATH).send().await.map_err(|error| self.unreachable(error))?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let ChallengeView { challenge, chain, .. } = self.read(PATH, answer).await?;
        let Some(key) = keys(chain).map_err(|reason| ClientError::SignIn { reason })? else { return Ok(None) };
        self.post("v1/session", &SignIn::sign(chain, self.name()?, challenge, &key), None).await.map(Some)
    }

    /// The node's name, for what is signed for it alone.
    fn name(&self) -> Result<Text<MAX_NODE_BYTES>, ClientError> {
        self.host().parse().map_err(|_| ClientError::SignIn { reason: "the node's name is too long".into() })
    }

    /// Whom this client's token shows.
    pub async fn session(&self) -> Result<SessionView, ClientError> {
        self.get("v1/session").await
    }

    /// The read tokens that the member's accounts have made.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        let page: Page<TokenView> = self.get("v1/tokens").await?;
        Ok(page.items)
    }

    /// Makes a read token for a program.
    pub async fn make_token(&self, wish: &TokenWish) -> Result<NewToken, ClientError> {
        let token = self.token_for("v1/tokens").await?;
        self.post("v1/tokens", wish, token.as_deref()).await
    }

    /// Revokes a read token.
    pub async fn revoke_token(&self, id: Digest) -> Result<(), ClientError> {
        let (path, token) = (format!("v1/tokens/{id}"), self.token_for("v1/tokens").await?);
        let request = super::client::shown(self.request(Method::DELETE, &path), token.as_deref());
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        self.read::<Page<TokenView>>(&path, answer).await.map(drop)
    }

    /// What supervisors have looked at, oldest first.
    pub async fn oversight(&self) -> Result<Vec<OversightView>, ClientError> {
        self.list("v1/oversight").await
    }

    /// Says, signed by a supervisor's key, what it wants this node to show and why; the token in the answer shows it for a while.
    pub async fn oversee(
        &self,
        chain: ChainId,
        what: (Category, Subject),
        reason: Text<MAX_OVERSIGHT_REASON_BYTES>,
        key: &PrivateKey,
    ) -> Result<NewToken, ClientError> {
        let last = self.oversight().await?.last().map_or_else(Digest::default, |entry| entry.digest);
        self.post("v1/oversight", &OversightWish::sign(chain, self.name()?, what, reason, last, key), None).await
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
        token: Option<&str>,
    ) -> Result<T, ClientError> {
        let request = super::client::shown(self.request(Method::POST, path).json(body), token);
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let status = answer.status();
            let bytes = answer.bytes().await.map_err(|error| self.unreachable(error))?;
            return Err(ClientError::SignIn { reason: problem(status, &bytes).to_string() });
        }
        self.read(path, answer).await
    }
}
