//! What an isolate has open: files, folders, responses.
//!
//! The isolate owns it, and the objects of guests refer to it. So it is closed as soon as the isolate ends, also where
//! the engine does not destroy these objects: QuickJS's bindings do not.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use super::error::OpError;
use super::fs::Remembered;

/// By their addresses.
type Things = RefCell<HashMap<*const (), Rc<dyn Any>>>;

/// All that one isolate has open.
#[derive(Clone, Default)]
pub(crate) struct OpenThings {
    things: Rc<Things>,
    folders: Remembered,
}

impl OpenThings {
    /// Keeps it open until its object, or the isolate, ends.
    pub(crate) fn keep<T: 'static>(&self, thing: T) -> Open<T> {
        let thing = Rc::new(thing);
        let open = Open {
            thing: Rc::downgrade(&thing),
            things: Rc::downgrade(&self.things),
        };
        self.things.borrow_mut().insert(open.address(), thing);
        open
    }

    /// Closes everything.
    pub(crate) fn close(&self) {
        let all = self.things.take();
        drop(all);
    }

    /// The folders that it has open for what may be opened beneath them.
    pub(super) fn folders(&self) -> &Remembered {
        &self.folders
    }
}

/// Something that is open in an isolate, as an object of a guest refers to it.
pub(crate) struct Open<T: 'static> {
    thing: Weak<T>,
    things: Weak<Things>,
}

impl<T> Open<T> {
    fn address(&self) -> *const () {
        self.thing.as_ptr().cast()
    }

    /// Nothing where it was closed.
    pub(crate) fn get(&self) -> Option<Rc<T>> {
        self.thing.upgrade()
    }

    /// As [`Open::get`], of something that only the end of its isolate closes.
    pub(crate) fn to_the_end(&self) -> Result<Rc<T>, OpError> {
        self.get()
            .ok_or_else(|| OpError::type_error("the isolate has ended"))
    }

    /// Closes it once nobody works with it any more.
    pub(crate) fn close(&self) {
        // Taken out first: what ends here may have more to close.
        let thing = self
            .things
            .upgrade()
            .and_then(|things| things.borrow_mut().remove(&self.address()));
        drop(thing);
    }
}

impl<T> Drop for Open<T> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_isolate_closes_what_its_objects_left_open() {
        let open = OpenThings::default();
        let (first, second, third) = (open.keep(1), open.keep("two"), open.keep(Rc::new(())));
        assert_eq!(first.get().as_deref(), Some(&1));
        let used = second.get();
        second.close();
        second.close();
        assert_eq!(used.as_deref(), Some(&"two"));
        drop(used);
        assert_eq!(second.get(), None);
        assert_eq!(open.things.borrow().len(), 2);
        drop(first);
        assert_eq!(open.things.borrow().len(), 1);
        // The object outlives its isolate.
        let inner = Rc::downgrade(&*third.get().unwrap());
        open.close();
        assert!(inner.upgrade().is_none());
        assert!(third.to_the_end().is_err());
    }
}
