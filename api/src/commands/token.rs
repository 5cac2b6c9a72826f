//! `loti token` and `loti member`: access for operators and the people they help.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use db::organisations::{self, Key};
use db::{Actor, Db, PlatformRole, Role, Viewer, people};
use uuid::Uuid;

use super::{Failure, block_on, need_seal};
use crate::auth::SCOPES;
use crate::auth::keys::Keys;
use crate::auth::token::{Grant, Tokens};
use crate::clock::Clock;
use crate::config::Config;

/// Who the operator of this machine is, for `--admin`.
const OPERATOR: &str = "operator@localhost";

/// `loti token`
#[derive(Args)]
pub struct Arguments {
    /// For the operator of this machine, who becomes an administrator of the platform.
    #[arg(long, conflicts_with = "email", required_unless_present = "email")]
    admin: bool,
    /// For the person with this e-mail address, who is added when not known.
    #[arg(long)]
    email: Option<String>,
    /// Role over the platform that the person gets: moderator or `platform_admin`. They keep no other.
    #[arg(long = "platform-role", value_name = "ROLE", requires = "email")]
    platform_roles: Vec<String>,
    /// Scopes, separated by commas; all of them when absent.
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,
    /// Only with the person's role in this organisation (id or slug).
    #[arg(long)]
    organisation: Option<String>,
}

/// `loti member`
#[derive(Args)]
pub struct MemberArguments {
    /// The person, who is added when not known.
    #[arg(long)]
    email: String,
    /// Id or slug of the organisation.
    #[arg(long)]
    organisation: String,
    /// viewer, contributor, steward or admin; `none` takes the role away.
    #[arg(long)]
    role: String,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let seal = need_seal(&config)?;
    let scopes = scopes(&arguments.scopes)?;
    let platform_roles = platform_roles(&arguments)?;
    let email = arguments.email.unwrap_or_else(|| OPERATOR.to_owned());
    let organisation = arguments.organisation.map(|key| Key::from(key.as_str()));
    let db = Db::new(&config.database);
    let keys = Keys::new(Arc::new(seal), db.clone());
    let tokens = Tokens::new(Some(keys), db.clone(), &config.public_url, Clock::System);
    let (user_id, organisation_id) = block_on(async {
        if let Some(keys) = tokens.keys() {
            keys.found().await.map_err(|error| Failure::failed(format!("No token can be signed: {error}.")))?;
        }
        let write = db.write(Actor::operator("loti token"), move |tx| {
            let user_id = match &platform_roles {
                Some(roles) => people::ensure(tx, Uuid::now_v7(), &email, name_of(&email), roles)?,
                None => people::find_or_add(tx, Uuid::now_v7(), &email, name_of(&email))?,
            };
            let find = |key| organisations::find(&mut tx.conn(), Viewer::Operator, key);
            let organisation = organisation.as_ref().map(find).transpose()?;
            Ok::<_, db::Error>((user_id, organisation.map(|found| found.row.id)))
        });
        Ok(write.await?)
    })?;
    let grant = Grant { subject: user_id, client_id: "loti-token".to_owned(), organisation_id, scopes };
    let token = tokens.sign(&tokens.claims(&grant)).ok_or_else(|| Failure::failed("The token could not be signed."))?;
    println!("{token}");
    Ok(())
}

pub(super) fn member(arguments: MemberArguments) -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let role = match arguments.role.as_str() {
        "none" => None,
        word => Some(word.parse::<Role>().map_err(|()| {
            Failure::usage(format!("--role must be viewer, contributor, steward, admin or none, and is {word:?}."))
        })?),
    };
    let (email, organisation) = (arguments.email, Key::from(arguments.organisation.as_str()));
    let db = Db::new(&config.database);
    block_on(async move {
        Ok(db
            .write(Actor::operator("loti member"), move |tx| {
                let user_id = people::find_or_add(tx, Uuid::now_v7(), &email, name_of(&email))?;
                let organisation_id = organisations::find(&mut tx.conn(), Viewer::Operator, &organisation)?.row.id;
                match role {
                    Some(role) => people::set_membership(tx, user_id, organisation_id, role),
                    None => people::remove_membership(tx, user_id, organisation_id),
                }
            })
            .await?)
    })
}

fn scopes(asked: &[String]) -> Result<BTreeSet<String>, Failure> {
    let known: BTreeSet<String> = SCOPES.iter().map(|(scope, _)| (*scope).to_owned()).collect();
    if let Some(unknown) = asked.iter().find(|scope| !known.contains(*scope)) {
        let known: Vec<String> = known.into_iter().collect();
        return Err(Failure::usage(format!("{unknown:?} is no scope; there are {}.", known.join(", "))));
    }
    Ok(if asked.is_empty() { known } else { asked.iter().cloned().collect() })
}

/// The platform roles to set; `None` leaves them as they are.
fn platform_roles(arguments: &Arguments) -> Result<Option<Vec<PlatformRole>>, Failure> {
    if arguments.admin {
        return Ok(Some(vec![PlatformRole::PlatformAdmin]));
    }
    let roles = arguments.platform_roles.iter().map(|word| {
        word.parse().map_err(|()| {
            Failure::usage(format!("--platform-role must be moderator or platform_admin, and is {word:?}."))
        })
    });
    let roles: Vec<PlatformRole> = roles.collect::<Result<_, _>>()?;
    Ok(if roles.is_empty() { None } else { Some(roles) })
}

fn name_of(email: &str) -> &str {
    email.split('@').next().filter(|name| !name.is_empty()).unwrap_or(email)
}
