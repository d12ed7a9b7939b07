//! Critical mass by hand.

use crate::explain::mass::critical_mass;

#[test]
fn mass_by_hand() {
    let losses = [-3.0, -0.1, 0.0, 0.25, 1.0, 3.0];
    assert_eq!(losses.map(critical_mass), [0.0, 0.0, 0.0, 0.2, 0.5, 0.75]);
    assert!(critical_mass(1e300) <= 1.0);
}
