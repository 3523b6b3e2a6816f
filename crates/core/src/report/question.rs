//! Questions to the caller: a role emits an event and waits until the caller has decided.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{lock, Report};
use crate::error::{Error, Result};
use crate::event::{Candidate, Event};

/// How long a wait may keep a cancel from being seen.
const TICK: Duration = Duration::from_millis(50);

/// The answer to the question that is open.
#[derive(Default)]
pub(super) struct Question {
    answer: Mutex<Option<Result<bool>>>,
    answered: Condvar,
    /// The choice among the names that are proposed.
    chosen: Mutex<Option<Vec<bool>>>,
    has_chosen: Condvar,
}

impl Report {
    /// Emit `event`, and wait for the decision of the caller, who subscribed to events of this kind.
    ///
    /// Errors: the run is cancelled, or the caller ends it.
    pub(crate) fn ask(&self, event: Event) -> Result<bool> {
        let question = &self.shared.question;
        *lock(&question.answer) = None;
        self.release();
        self.push(event);
        let mut answer = lock(&question.answer);
        loop {
            if let Some(answer) = answer.take() {
                return answer;
            }
            self.check()?;
            answer = question
                .answered
                .wait_timeout(answer, TICK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Propose names to the caller, who subscribed to selections, and wait for the choice: one value for each.
    ///
    /// Errors: the run is cancelled.
    pub(crate) fn select(&self, names: Vec<Candidate>) -> Result<Vec<bool>> {
        let question = &self.shared.question;
        *lock(&question.chosen) = None;
        self.push(Event::Select(names));
        let mut chosen = lock(&question.chosen);
        loop {
            if let Some(chosen) = chosen.take() {
                return Ok(chosen);
            }
            self.check()?;
            chosen = question
                .has_chosen
                .wait_timeout(chosen, TICK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Choose among the names of the last [`Event::Select`]: a value for each, in their order.
    pub fn answer_selection(&self, chosen: Vec<bool>) {
        *lock(&self.shared.question.chosen) = Some(chosen);
        self.shared.question.has_chosen.notify_all();
    }

    /// Answer the open question: go on, or leave it.
    pub fn answer(&self, go_on: bool) {
        self.decide(Ok(go_on));
    }

    /// Answer the open question by ending the run. The user, and the peer, read the text of `error`.
    pub fn refuse(&self, error: Error) {
        self.decide(Err(error));
    }

    fn decide(&self, answer: Result<bool>) {
        *lock(&self.shared.question.answer) = Some(answer);
        self.shared.question.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::Deletions;
    use crate::plan::Plan;

    #[test]
    fn a_selection_waits_for_its_answer_and_ends_with_a_cancel() {
        let report = Report::new(Arc::new(Plan::default()), true);
        for expected in [Some(vec![true, false]), None] {
            let asking = report.clone();
            let thread = std::thread::spawn(move || asking.select(vec![Candidate::default(), Candidate::default()]));
            let names = loop {
                if let Some([Event::Select(names)]) = report.take(TICK).as_deref() {
                    break names.len();
                }
            };
            assert_eq!(names, 2);
            match &expected {
                Some(chosen) => report.answer_selection(chosen.clone()),
                None => report.cancel(20),
            }
            assert_eq!(thread.join().ok().and_then(Result::ok), expected);
        }
    }

    #[test]
    fn a_question_waits_for_its_answer_and_ends_with_a_cancel() {
        let report = Report::new(Arc::new(Plan::default()), false);
        for expected in [Some(true), Some(false), None] {
            let asking = report.clone();
            let thread = std::thread::spawn(move || asking.ask(Event::Deletions(Deletions::default())));
            while report.take(TICK).is_none_or(|events| events.is_empty()) {}
            match expected {
                Some(answer) => report.answer(answer),
                None => report.cancel(20),
            }
            assert_eq!(thread.join().ok().and_then(Result::ok), expected);
        }
    }
}
