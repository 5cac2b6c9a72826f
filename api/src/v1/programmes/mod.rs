//! The programme of an unconference: rooms, slots, sessions, votes, notes, and the schedule of what takes place where.

mod notes;
mod rooms;
mod schedule;
mod sessions;
mod slots;
mod votes;

use db::events::{self, Event, Sight};
use db::organisations::Key;
use db::programmes::sessions::Session;
use db::programmes::{self, Schedule};
use db::{Conn, Roles, Tx};
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::events::EventPath;

/// The operations on programmes.
#[must_use]
pub fn routes() -> Routes {
    rooms::routes()
        .merge(slots::routes())
        .merge(sessions::routes())
        .merge(votes::routes())
        .merge(notes::routes())
        .merge(schedule::routes())
}

/// Reads something of an event that the caller sees.
async fn reading<T: Send + 'static>(
    app: &App,
    caller: Caller,
    key: Key,
    work: impl Fn(&mut Conn<'_>, &Event) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let person = caller.viewer().user_id();
    let read = caller.read(&app.db, move |conn, roles| {
        let event = events::find(conn, &Sight::new(roles, person), &key)?;
        work(conn, &event)
    });
    read.await
}

/// An event and its schedule, locked, for who looks after it to change its programme.
fn changing(tx: &mut Tx<'_>, key: &Key) -> Result<(Event, Schedule), Problem> {
    let event = seen(tx, key)?;
    rules::may_organise(tx.roles(), &event)?;
    programmes::check_open(&event)?;
    Ok((event.clone(), programmes::lock(tx, &event)?))
}

/// A session that who looks sees: its event decides.
fn session_shown(conn: &mut Conn<'_>, roles: &Roles, person: Option<Uuid>, id: Uuid) -> Result<Session, Problem> {
    let session = programmes::sessions::find(conn, person, id)?;
    events::find(conn, &Sight::new(roles, person), &Key::Id(session.event_id))?;
    Ok(session)
}

/// An event that the writer sees.
fn seen(tx: &mut Tx<'_>, key: &Key) -> Result<Event, Problem> {
    let sight = Sight::new(tx.roles(), tx.actor().principal.user_id());
    Ok(events::find(&mut tx.conn(), &sight, key)?)
}

/// A session that the writer sees, and its event.
fn session_seen(tx: &mut Tx<'_>, id: Uuid) -> Result<(Event, Session), Problem> {
    let person = tx.actor().principal.user_id();
    let session = programmes::sessions::find(&mut tx.conn(), person, id)?;
    Ok((seen(tx, &Key::Id(session.event_id))?, session))
}

/// A session that the writer sees, in a programme that is locked first, so that it is as it stays.
fn session_locked(tx: &mut Tx<'_>, id: Uuid) -> Result<(Event, Session), Problem> {
    let (event, _) = session_seen(tx, id)?;
    programmes::lock(tx, &event)?;
    session_seen(tx, id)
}

/// Texts without those that stand there twice, in their order.
fn once_each(texts: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(texts.len());
    for text in texts {
        if !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}
