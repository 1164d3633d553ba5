-- A thread's document: {its row, text or ''}. ARGV: prefix, generation. As file.lua otherwise.
--@ thread
local row, line = thread_get(ARGV[1], ARGV[2])
if not row then return {'gone'} end
if tonumber(row[DOC_SIZE]) < 0 then return {line, ''} end
local doc = redis.call('HGET', base_of(ARGV[1], row, ARGV[2]) .. 'files', '/')
if doc then return {line, doc} end
local erase = tonumber(row[ERASE])
return {erase >= 0 and erase <= server_ms() and 'gone' or 'lost'}
