//! What convinces somebody who trusts no node.
