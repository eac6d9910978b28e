console.log(`${process.env.INPUT_NAME} stopped, ${process.env.STATE_count} ${process.env['INPUT_UNIT_TEXT']}`);
