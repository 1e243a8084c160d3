// Directus knows no other end than a signal; the pipe of a test that was killed still says that it is over.
process.stdin.on("end", () => process.exit()).resume();
