//! The state machine as a whole, driven through the library: every verb in every phase by every sort of actor, whole
//! lives of tasks, and random ones.

mod life;
mod matrix;
mod random;
mod sim;
mod wire;
