//! Tests of the family `sql`. Each denial has a control: the same with one more right, or nearly the same, succeeds.

mod attacks;
mod calls;
mod scene;
