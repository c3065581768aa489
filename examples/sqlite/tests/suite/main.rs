//! Tests of the family `sql`. Each denial has a control: the same with one more right, or nearly the same, succeeds.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail, also in a function that is not a test itself"
)]

mod attacks;
mod calls;
mod scene;
