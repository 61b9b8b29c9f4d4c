//! CME MDP 3.0: packets of SBE messages, and the events that they become.
