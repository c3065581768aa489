//! The resource table of an isolate: its open resources, and the states of the extensions.
//!
//! The isolate owns the resources, and objects of guests refer to them. So they are closed when the isolate ends, even
//! if the engine does not destroy these objects. QuickJS's bindings do not.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use secure_runtime_capabilities::FamilyName;

use super::error::OperationError;
/// The resources by their addresses.
type Things = RefCell<HashMap<*const (), Rc<dyn Any>>>;

/// The states of extensions by their families.
type States = RefCell<Vec<(FamilyName, Rc<dyn Any>)>>;

/// All open resources of one isolate. Clones share the table.
#[derive(Clone, Default)]
pub(crate) struct ResourceTable {
    things: Rc<Things>,
    /// The states of the extensions in this isolate, by family.
    states: Rc<States>,
}

impl ResourceTable {
    /// Adds a resource, which stays open until its object or the isolate ends.
    pub(crate) fn keep<T: 'static>(&self, thing: T) -> Resource<T> {
        let thing = Rc::new(thing);
        let open = Resource {
            thing: Rc::downgrade(&thing),
            things: Rc::downgrade(&self.things),
        };
        self.things.borrow_mut().insert(open.address(), thing);
        open
    }

    /// Closes all resources.
    pub(crate) fn close(&self) {
        let all = self.things.take();
        drop(all);
        let states = self.states.take();
        drop(states);
    }

    /// Adds the state of a family, which exists until the isolate ends.
    pub(crate) fn add_state(&self, family: FamilyName, state: Rc<dyn Any>) {
        self.states.borrow_mut().push((family, state));
    }

    /// Returns the state of a family, or none after the isolate has ended.
    pub(super) fn state(&self, family: FamilyName) -> Option<Rc<dyn Any>> {
        let states = self.states.borrow();
        let mut states = states.iter();
        states
            .find(|(known, _)| *known == family)
            .map(|(_, state)| state.clone())
    }
}

/// A reference from a guest's object to an open resource.
pub(crate) struct Resource<T: 'static> {
    thing: Weak<T>,
    things: Weak<Things>,
}

impl<T> Resource<T> {
    fn address(&self) -> *const () {
        self.thing.as_ptr().cast()
    }

    /// Returns the resource, or none if it was closed.
    pub(crate) fn get(&self) -> Option<Rc<T>> {
        self.thing.upgrade()
    }

    /// Like [`Resource::get`], for a resource that only the end of its isolate closes.
    pub(crate) fn to_the_end(&self) -> Result<Rc<T>, OperationError> {
        self.get()
            .ok_or_else(|| OperationError::type_error("the isolate has ended"))
    }

    /// Closes the resource after its last user has finished.
    pub(crate) fn close(&self) {
        // The resource is removed first, because its destructor may close other resources.
        let thing = self
            .things
            .upgrade()
            .and_then(|things| things.borrow_mut().remove(&self.address()));
        drop(thing);
    }
}

impl<T> Drop for Resource<T> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_isolate_closes_resources_that_its_objects_left_open() {
        let open = ResourceTable::default();
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
