//! Who calls, and what they may do.
//!
//! [`token`] turns a bearer token into a [`Verified`], with [`federation`] for those of an organisation's own provider; the [`Rule`] of an operation, read from its documentation,
//! decides whether that may call it; [`rules`] decides about rows, by roles read in the transaction of the write.

pub mod federation;
pub mod keys;
pub mod provider_keys;
pub mod rules;
pub mod seal;
pub mod secret;
pub mod token;

use std::collections::BTreeSet;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use db::{Actor, Conn, Db, Principal, Roles, Viewer};
use serde_json::Value;
use std::future::{Ready, ready};
use uuid::Uuid;

use crate::middleware::log::RequestId;
use crate::problem::Problem;

/// Every scope, with what it lets its holder do.
pub const SCOPES: &[(&str, &str)] = &[
    (
        "assessments:read",
        "Read the assessments, evidence and actions of the person's organisations, what they are to assure, and benchmarks.",
    ),
    (
        "assessments:write",
        "Assess, bring evidence, plan actions, submit and assure, as far as the person's roles allow.",
    ),
    ("audit:read", "Read the audit trail of the organisations that the person administers."),
    ("checklists:read", "Read checklists, with the organisation's drafts."),
    ("checklists:write", "Write and publish checklists, as far as the person's roles allow."),
    ("citations:read", "Read citations, with those that only members see."),
    ("citations:write", "Make, change, confirm and withdraw citations, as far as the person's roles allow."),
    ("claims:read", "Read the person's claims to organisations; for moderators everybody's."),
    ("claims:write", "Claim organisations, and decide about claims, as far as the person's roles allow."),
    ("clients:read", "Read the clients of the organisations for which the person contributes."),
    ("clients:write", "Register, change and remove clients, as far as the person's roles allow."),
    ("comments:read", "Read comments, with what only their author or a moderator sees."),
    ("comments:write", "Comment, reply and flag, as far as the person's roles allow."),
    ("events:read", "Read events, and who comes to those that the person's organisations organise."),
    ("events:write", "Organise events and answer them, as far as the person's roles allow."),
    ("frameworks:read", "Read frameworks, with the organisation's drafts."),
    ("frameworks:write", "Write and publish frameworks, as far as the person's roles allow."),
    ("identity-providers:read", "Read the identity providers of the organisations that the person administers."),
    ("identity-providers:write", "Register, change and remove identity providers, as far as the person's roles allow."),
    ("imports:read", "Read the imports of the organisations for which the person contributes."),
    ("imports:write", "Send files of citations and products, as far as the person's roles allow."),
    ("invitations:read", "Read the invitations into the organisations that the person administers."),
    ("invitations:write", "Invite people into organisations, as far as the person's roles allow."),
    ("lease-templates:read", "Read templates of leases, with those under review and the organisation's drafts."),
    ("lease-templates:write", "Write, approve and publish templates of leases, as far as the person's roles allow."),
    ("leases:read", "Read the leases that the person's organisations draw up or are a party to, and reports of them."),
    ("leases:write", "Draw up leases, issue and end them, and agree to them, as far as the person's roles allow."),
    ("memberships:read", "Read who belongs to the person's organisations."),
    ("memberships:write", "Give roles in organisations and take them away, as far as the person's roles allow."),
    ("moderation", "Moderate comments: see what was flagged or hidden, and hide, restore or remove it."),
    ("networks:read", "Read networks, and who belongs to those that the person looks after."),
    ("networks:write", "Join networks, and look after them, as far as the person's roles allow."),
    ("organisations:read", "Read organisations, with what members of theirs see."),
    ("organisations:write", "Add, change and remove organisations, as far as the person's roles allow."),
    ("products:read", "Read products."),
    ("products:write", "Add, change and remove products and their updates, as far as the person's roles allow."),
    ("profile", "Read and change what is known of the caller, and accept invitations."),
];

/// A token that was checked in full. There is no other way to be somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `sub`: the person, or a client that acts for itself.
    pub principal: Principal,
    /// `client_id`: what carries the request.
    pub client_id: String,
    /// `org`: the organisation the token was issued for, if for one.
    pub organisation_id: Option<Uuid>,
    /// `jti` of a token of ours.
    pub token_id: Option<Uuid>,
    /// The identity provider by which a person came in, unless by a token of ours.
    pub provider_id: Option<Uuid>,
    /// `scope`
    pub scopes: BTreeSet<String>,
}

/// What the `Authorization` header of a request amounts to.
#[derive(Debug, Clone, Default)]
pub enum Identity {
    /// There was none.
    #[default]
    Anonymous,
    /// A token that was checked.
    Verified(Verified),
    /// Something that is no valid token, and why.
    Rejected(&'static str),
    /// A token that cannot be checked just now.
    Failed(Problem),
}

/// Who may call an operation: alternatives, each a set of scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    anonymous: bool,
    alternatives: Vec<BTreeSet<String>>,
}

impl Rule {
    /// From `security` of an operation; `None` when it says nothing, or names a scope that is not in [`SCOPES`].
    ///
    /// The scopes stand with `oauth2`. `bearer` is another way to bring the same token: OpenAPI lets a plain HTTP scheme
    /// name no scopes, so there it names none and those of `oauth2` hold.
    #[must_use]
    pub fn of(security: &Value) -> Option<Self> {
        let mut rule = Self { anonymous: false, alternatives: Vec::new() };
        for alternative in security.as_array()?.iter().filter_map(Value::as_object) {
            if alternative.is_empty() {
                rule.anonymous = true;
            }
            if let Some(scopes) = alternative.get("oauth2").and_then(Value::as_array) {
                rule.alternatives.push(scopes.iter().filter_map(Value::as_str).map(Into::into).collect());
            }
        }
        let known = |scope: &String| SCOPES.iter().any(|(known, _)| known == scope);
        let sound = |scopes: &BTreeSet<String>| !scopes.is_empty() && scopes.iter().all(known);
        (!rule.alternatives.is_empty() && rule.alternatives.iter().all(sound)).then_some(rule)
    }

    /// Lets a caller in, as somebody or as nobody.
    ///
    /// A token without the scope for a public read reads what everybody reads: it is nobody's there.
    pub fn admit(&self, identity: Identity) -> Result<Option<Verified>, Problem> {
        match identity {
            Identity::Rejected(reason) => Err(Problem::invalid_token(reason)),
            Identity::Failed(problem) => Err(problem),
            Identity::Anonymous if self.anonymous => Ok(None),
            Identity::Anonymous => Err(Problem::unauthenticated()),
            Identity::Verified(verified) => {
                if self.alternatives.iter().any(|scopes| scopes.is_subset(&verified.scopes)) {
                    Ok(Some(verified))
                } else if self.anonymous {
                    Ok(None)
                } else {
                    Err(self.missing_scope())
                }
            }
        }
    }

    fn missing_scope(&self) -> Problem {
        let sets: Vec<String> =
            self.alternatives.iter().map(|scopes| scopes.iter().cloned().collect::<Vec<_>>().join(" and ")).collect();
        Problem::forbidden(format!("The token lacks the scope {}.", sets.join(", or ")))
    }
}

/// Who calls an operation, as its gate let them in.
#[derive(Debug, Clone)]
pub struct Caller {
    verified: Option<Verified>,
    operation: String,
    request_id: String,
}

impl Caller {
    pub(crate) fn new(verified: Option<Verified>, operation: String) -> Self {
        Self { verified, operation, request_id: String::new() }
    }

    /// For reads: who is looking.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        match self.verified.as_ref().map(|verified| (verified.principal, verified.organisation_id)) {
            Some((Principal::Person(id), _)) => Viewer::User(id),
            Some((Principal::Client(_), Some(organisation_id))) => Viewer::ClientOf(organisation_id),
            _ => Viewer::Anonymous,
        }
    }

    /// Who calls, if it is somebody.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        self.verified.as_ref().map(|verified| verified.principal)
    }

    /// The scopes of their token.
    #[must_use]
    pub fn scopes(&self) -> BTreeSet<String> {
        self.verified.as_ref().map(|verified| verified.scopes.clone()).unwrap_or_default()
    }

    /// The same call, as if by nobody.
    #[must_use]
    pub fn as_nobody(self) -> Self {
        Self { verified: None, ..self }
    }

    /// Reads what everybody sees, and what only the caller sees: `work` is told their roles, none for nobody.
    pub async fn read<T, F>(&self, db: &Db, work: F) -> Result<T, Problem>
    where
        F: Fn(&mut Conn<'_>, &Roles) -> Result<T, Problem> + Send + 'static,
        T: Send + 'static,
    {
        match self.actor() {
            Ok(actor) => db.read_as(actor, work).await,
            Err(_) => db.read(move |conn| work(conn, &Roles::default())).await,
        }
    }

    /// For writes, and for reads of what is private: who acts. Only for operations that nobody may call anonymously; elsewhere 401.
    pub fn actor(&self) -> Result<Actor, Problem> {
        let verified = self.verified.as_ref().ok_or_else(Problem::unauthenticated)?;
        Ok(verified.actor(&self.operation, &self.request_id))
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let caller = extensions.get::<Self>().cloned().map(|caller| Self {
            request_id: extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
            ..caller
        });
        ready(caller.ok_or_else(|| Problem::internal("an operation without a gate asks who calls")))
    }
}
