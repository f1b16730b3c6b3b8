//! Whole convoys without processes and git: the real driver, decisions and memory store; simulated agents,
//! repository and time.
//!
//! Everything follows from one seed: the convoy, who fails, what conflicts, what people ask for, and the
//! moments at which the engine is killed, its store fails or git fails; another engine takes over then. After
//! every write the rules are looked at: what really runs against slots, locks and files ([`world`]), what is
//! done against what is durable ([`record`]), what has landed against what the log says ([`git`]).
//!
//! A failure names its seed: [`tests::REPRODUCED`] lives that one alone.

mod ending;
mod git;
mod life;
mod people;
mod perform;
mod places;
mod record;
mod rng;
mod store;
mod tests;
mod verify;
mod world;
