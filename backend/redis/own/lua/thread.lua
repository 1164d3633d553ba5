-- What the scripts of the own layout share; docs/redis-schema.md tells the keys and rows.
if redis.replicate_commands then redis.replicate_commands() end

-- Places in a thread's row. Times stay strings: they do not fit a Lua number.
local REVISION, LIFE, LAST_TURN, TURNS, FILES, BYTES, MTIME, CTIME = 1, 2, 3, 4, 5, 6, 11, 12
local TTL, DEADLINE, ERASE, KEEP, DOC_REVISION, DOC_SIZE, ID = 13, 14, 15, 16, 18, 25, 26

-- A number in decimal. Lua itself does that for numbers below 10^14 only.
local function text(number)
	return string.format('%.0f', number)
end

local function row_parse(line)
	local row = {string.match(line,
		'^' .. string.rep('(%-?%d+) ', 25) .. '(.+)$')}
	if #row ~= ID then return nil end
	return row
end

local function row_format(row)
	for i, value in ipairs(row) do
		if type(value) == 'number' then row[i] = text(value) end
	end
	return table.concat(row, ' ')
end

-- The thread of a generation and the row's text, or nil. A row that is none is an error: EIO.
local function thread_get(prefix, gen)
	local line = redis.call('HGET', prefix .. 'threads', gen)
	if not line then return nil end
	local row = row_parse(line)
	if not row then error('ERR turnfs: the row of generation ' .. gen .. ' is not one') end
	return row, line
end

-- What all keys of a thread begin with. Braces would end the hash tag early.
local function base_of(prefix, row, gen)
	local id = row[ID]
	if string.find(id, '[{}%%]') then
		id = string.gsub(id, '[{}%%]', {['{'] = '%7B', ['}'] = '%7D', ['%'] = '%25'})
	end
	return prefix .. '{' .. id .. '}:' .. gen .. ':'
end

-- ms of Unix time by the server's clock.
local function server_ms()
	local time = redis.call('TIME')
	return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether the store has lost what the row says is there (R5).
local function is_lost(base, row)
	return tonumber(row[FILES]) > 0 and
		(redis.call('ZCARD', base .. 'names') == 0 or redis.call('HLEN', base .. 'files') == 0)
end
