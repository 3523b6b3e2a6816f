"""Random trees and random options, run by both programs: each difference is a finding."""
