// Directus loads its sandbox for extensions at start; nothing here has extensions.
module.exports = {};
