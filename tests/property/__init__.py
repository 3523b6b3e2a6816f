"""Random trees and random options, run by both programs: whatever differs is a finding."""
