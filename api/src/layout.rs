//! Proposes which session of an unconference takes place in which room and slot.
//!
//! A vote is satisfied when its voter can be at the session: it takes place, the voter is at no other session in that
//! slot, and the room holds all who are there. A proposal begins as the greedy layout that people make at a wall, the
//! session with most votes first, each where it satisfies most, and is improved by moving and exchanging sessions for
//! as long as steps are left. So it is never worse than the greedy one. It is a function of what it is given: the same
//! votes and the same seed give the same proposal, on any machine, however busy.

use std::collections::HashMap;

/// A session to place.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Who would go to it, by numbers from 0.
    pub voters: Vec<usize>,
    /// Rooms, by their index, that have what it needs.
    pub rooms: Vec<usize>,
    /// Who speaks, by numbers of their own.
    pub speakers: Vec<usize>,
    /// Where it has to be: slot and room.
    pub fixed: Option<Cell>,
}

/// A slot and a room, by their indices.
pub type Cell = (usize, usize);

/// What there is to lay out.
#[derive(Debug, Clone, Default)]
pub struct Task {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// How many each room holds; none without a limit.
    pub rooms: Vec<Option<usize>>,
    /// How many slots there are.
    pub slots: usize,
    /// How many voters there are.
    pub voters: usize,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where each session is; none for one that has no place.
    pub cells: Vec<Option<Cell>>,
    /// How many votes that satisfies.
    pub satisfied: usize,
    /// How many the greedy layout satisfies.
    pub greedy: usize,
}

/// How many pairs of voter and session are looked at before the proposal has to be good enough.
const STEPS: usize = 10_000_000;
/// How often a layout that no exchange improves is disturbed, to come to another one.
const KICKS: usize = 40;

/// Proposes a layout.
#[must_use]
pub fn propose(task: &Task, seed: u64) -> Layout {
    let mut board = Board::new(task);
    board.place_greedily();
    let greedy = board.score();
    board.improve(seed);
    let best = board.score();
    Layout { cells: board.cells, satisfied: best.satisfied, greedy: greedy.satisfied }
}

/// What a layout is worth: satisfied votes, then votes for what takes place in rooms that hold them, then sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Score {
    satisfied: usize,
    seated: usize,
    placed: usize,
}

impl std::ops::Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            satisfied: self.satisfied + other.satisfied,
            seated: self.seated + other.seated,
            placed: self.placed + other.placed,
        }
    }
}

struct Board<'a> {
    task: &'a Task,
    cells: Vec<Option<Cell>>,
    /// Which session is where.
    grid: HashMap<Cell, usize>,
    /// What each slot is worth.
    slots: Vec<Score>,
    steps: usize,
}

impl<'a> Board<'a> {
    fn new(task: &'a Task) -> Self {
        let mut board = Self {
            task,
            cells: vec![None; task.sessions.len()],
            grid: HashMap::new(),
            slots: vec![Score::default(); task.slots],
            steps: STEPS,
        };
        for (index, session) in task.sessions.iter().enumerate() {
            if let Some(cell) = session.fixed {
                board.put(index, Some(cell));
            }
        }
        for slot in 0..task.slots {
            board.count(slot);
        }
        board
    }

    fn score(&self) -> Score {
        self.slots.iter().fold(Score::default(), |sum, slot| sum + *slot)
    }

    fn session(&self, index: usize) -> Option<&'a Session> {
        self.task.sessions.get(index)
    }

    fn put(&mut self, session: usize, to: Option<Cell>) {
        if let Some(place) = self.cells.get_mut(session) {
            if let Some(from) = place.take() {
                self.grid.remove(&from);
            }
            *place = to;
        }
        if let Some(cell) = to {
            self.grid.insert(cell, session);
        }
    }

    /// Whether a session may be somewhere, besides those that stay there.
    fn fits(&self, session: usize, (slot, room): Cell, leaving: Option<usize>) -> bool {
        let Some(wanted) = self.session(session) else { return false };
        wanted.rooms.contains(&room)
            && (0..self.task.rooms.len()).filter_map(|room| self.grid.get(&(slot, room))).all(|other| {
                *other == session
                    || Some(*other) == leaving
                    || self
                        .session(*other)
                        .is_none_or(|other| other.speakers.iter().all(|speaker| !wanted.speakers.contains(speaker)))
            })
    }

    /// Counts anew what a slot is worth.
    fn count(&mut self, slot: usize) {
        let held: Vec<(usize, Option<usize>)> = self
            .task
            .rooms
            .iter()
            .enumerate()
            .filter_map(|(room, capacity)| self.grid.get(&(slot, room)).map(|session| (*session, *capacity)))
            .collect();
        let mut score = Score { placed: held.len(), ..Score::default() };
        for (session, capacity) in &held {
            let votes = self.session(*session).map_or(0, |session| session.voters.len());
            score.seated += capacity.map_or(votes, |capacity| votes.min(capacity));
        }
        score.satisfied = self.seats(&held);
        if let Some(kept) = self.slots.get_mut(slot) {
            *kept = score;
        }
    }

    /// How many voters find a seat at one of the sessions of a slot for which they voted: a matching of voters to seats,
    /// enlarged by one voter at a time (Kuhn).
    fn seats(&mut self, held: &[(usize, Option<usize>)]) -> usize {
        let mut wishes: Vec<Vec<usize>> = vec![Vec::new(); self.task.voters];
        for (place, (session, _)) in held.iter().enumerate() {
            for voter in self.session(*session).into_iter().flat_map(|session| &session.voters) {
                if let Some(wishes) = wishes.get_mut(*voter) {
                    wishes.push(place);
                }
            }
        }
        let voters = wishes.iter().filter(|wishes| !wishes.is_empty()).count();
        self.steps = self.steps.saturating_sub(voters.max(1));
        let mut seated: Vec<Vec<usize>> = vec![Vec::new(); held.len()];
        let capacities: Vec<usize> =
            held.iter().map(|(_, capacity)| capacity.unwrap_or(usize::MAX).min(voters)).collect();
        let mut count = 0;
        for voter in 0..wishes.len() {
            let mut tried = vec![false; held.len()];
            if seat(voter, &wishes, &capacities, &mut seated, &mut tried, &mut self.steps) {
                count += 1;
            }
        }
        count
    }

    /// The session with most votes first, each where it satisfies most; of rooms that do the same, the smallest.
    fn place_greedily(&mut self) {
        let mut order: Vec<usize> =
            (0..self.cells.len()).filter(|index| self.cells.get(*index) == Some(&None)).collect();
        order.sort_by_key(|index| (std::cmp::Reverse(self.session(*index).map_or(0, |s| s.voters.len())), *index));
        for session in order {
            let mut best: Option<(Score, std::cmp::Reverse<usize>, std::cmp::Reverse<Cell>)> = None;
            for slot in 0..self.task.slots {
                for room in 0..self.task.rooms.len() {
                    let cell = (slot, room);
                    if self.grid.contains_key(&cell) || !self.fits(session, cell, None) {
                        continue;
                    }
                    self.put(session, Some(cell));
                    let before = self.slots.get(slot).copied().unwrap_or_default();
                    self.count(slot);
                    let capacity = self.task.rooms.get(room).copied().flatten().unwrap_or(usize::MAX);
                    let found = (self.score(), std::cmp::Reverse(capacity), std::cmp::Reverse(cell));
                    if best.as_ref().is_none_or(|best| found > *best) {
                        best = Some(found);
                    }
                    self.put(session, None);
                    if let Some(kept) = self.slots.get_mut(slot) {
                        *kept = before;
                    }
                }
            }
            if let Some((_, _, std::cmp::Reverse(cell))) = best {
                self.put(session, Some(cell));
                self.count(cell.0);
            }
        }
    }

    /// Moves sessions, and exchanges them, where that is worth more, or as much. When none of many exchanges in a row was
    /// worth more, the layout is disturbed and improved anew, and the best is kept (iterated local search). Ends when
    /// there are no steps left, or it was disturbed often enough.
    fn improve(&mut self, seed: u64) {
        let (movable, cells): (Vec<usize>, Vec<Cell>) = (
            (0..self.cells.len()).filter(|i| self.session(*i).is_some_and(|s| s.fixed.is_none())).collect(),
            (0..self.task.slots).flat_map(|slot| (0..self.task.rooms.len()).map(move |room| (slot, room))).collect(),
        );
        if movable.is_empty() || cells.is_empty() {
            return;
        }
        let mut random = Random(seed);
        let patience = (movable.len() * cells.len()).max(200);
        let mut best = self.kept();
        for _ in 0..KICKS {
            let mut idle = 0;
            while self.steps > 0 && idle < patience {
                self.steps = self.steps.saturating_sub(1);
                let better = self.try_exchange(random.pick(&movable), random.pick(&cells), false);
                idle = if better { 0 } else { idle + 1 };
            }
            if self.score() >= best.0 {
                best = self.kept();
            } else {
                self.restore(&best);
            }
            if self.steps == 0 {
                break;
            }
            for _ in 0..3 {
                self.try_exchange(random.pick(&movable), random.pick(&cells), true);
            }
        }
        if self.score() < best.0 {
            self.restore(&best);
        }
    }

    fn kept(&self) -> (Score, Vec<Option<Cell>>, Vec<Score>) {
        (self.score(), self.cells.clone(), self.slots.clone())
    }

    fn restore(&mut self, (_, cells, slots): &(Score, Vec<Option<Cell>>, Vec<Score>)) {
        self.cells.clone_from(cells);
        self.slots.clone_from(slots);
        self.grid = cells.iter().enumerate().filter_map(|(session, cell)| Some(((*cell)?, session))).collect();
    }

    /// Puts a session somewhere, and what was there where it was; takes that back when it cannot be, or is worth less and
    /// is not to be kept `anyway`. Tells whether it was worth more.
    fn try_exchange(&mut self, session: usize, to: Cell, anyway: bool) -> bool {
        let from = self.cells.get(session).copied().flatten();
        let other = self.grid.get(&to).copied();
        if from == Some(to) || other.and_then(|other| self.session(other)).is_some_and(|other| other.fixed.is_some()) {
            return false;
        }
        if !self.fits(session, to, other) {
            return false;
        }
        let before = (self.score(), self.slots.clone());
        self.put(session, None);
        if let Some(other) = other {
            self.put(other, None);
        }
        self.put(session, Some(to));
        let back = other.zip(from);
        let possible = back.is_none_or(|(other, cell)| self.fits(other, cell, None));
        if let Some((other, cell)) = back.filter(|_| possible) {
            self.put(other, Some(cell));
        }
        if possible {
            self.count(to.0);
            if let Some((slot, _)) = from.filter(|(slot, _)| *slot != to.0) {
                self.count(slot);
            }
        }
        let after = self.score();
        if possible && (anyway || after >= before.0) {
            return after > before.0;
        }
        self.put(session, None);
        if let Some(other) = other {
            self.put(other, Some(to));
        }
        self.put(session, from);
        self.slots = before.1;
        false
    }
}

/// Finds a seat for a voter, by letting others sit elsewhere if need be.
fn seat(
    voter: usize,
    wishes: &[Vec<usize>],
    capacities: &[usize],
    seated: &mut [Vec<usize>],
    tried: &mut [bool],
    steps: &mut usize,
) -> bool {
    for &place in wishes.get(voter).into_iter().flatten() {
        *steps = steps.saturating_sub(1);
        match tried.get_mut(place) {
            Some(tried) if !*tried => *tried = true,
            _ => continue,
        }
        let taken = seated.get(place).map_or(0, Vec::len);
        if taken < capacities.get(place).copied().unwrap_or(0) {
            seated.get_mut(place).into_iter().for_each(|seats| seats.push(voter));
            return true;
        }
        for seat_number in 0..taken {
            let Some(sitting) = seated.get(place).and_then(|seats| seats.get(seat_number)).copied() else { break };
            if seat(sitting, wishes, capacities, seated, tried, steps) {
                if let Some(seat) = seated.get_mut(place).and_then(|seats| seats.get_mut(seat_number)) {
                    *seat = voter;
                }
                return true;
            }
        }
    }
    false
}

/// `SplitMix64`: all that is wanted of it is that it is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of some, of which there is at least one.
    fn pick<T: Copy + Default>(&mut self, among: &[T]) -> T {
        let count = u64::try_from(among.len().max(1)).unwrap_or(1);
        let index = usize::try_from(self.next() % count).unwrap_or(0);
        among.get(index).copied().unwrap_or_default()
    }
}
